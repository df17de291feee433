-- ARGV: name of the index, offset, limit. Answers how many there are in all, then each record, newest first.
local index, offset, limit = home .. next_arg(), next_number(), next_number()
local answer = { call('ZCARD', index) }
if limit > 0 then
  for _, id in ipairs(call('ZREVRANGE', index, offset, offset + limit - 1)) do
    answer[#answer + 1] = call('HGET', home .. 'failed', id)
  end
end
return answer
