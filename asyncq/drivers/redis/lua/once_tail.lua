end
local answer, refused = body()
-- A refusal changed nothing: a repeat is decided anew, and whoever asks again and again writes nothing.
if not refused then
  remember(op, { answer = answer })
end
return answer
