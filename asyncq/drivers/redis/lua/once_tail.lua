end
local answer = body()
remember(op, { answer = answer })
return answer
