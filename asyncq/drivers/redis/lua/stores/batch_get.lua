-- ARGV: ids. Answers for each batch that is there its id, its fields, and the failed members with their places.
local found = {}
while at < #ARGV do
  local id = next_arg()
  local fields = call('HGETALL', home .. 'batch:' .. id)
  if #fields > 0 then
    for i = 1, #fields, 2 do
      if sub(fields[i], 1, 3) == 'cb:' then
        local callback = cmsgpack.unpack(fields[i + 1])
        fields[i + 1] = callback.before .. callback.origin .. callback.after
      end
    end
    local failures = {}
    if tonumber(call('HGET', home .. 'batch:' .. id, 'failed')) > 0 then
      local members = call('HGETALL', home .. 'members:' .. id)
      for i = 1, #members, 2 do
        if tonumber(members[i + 1]) > 1 then
          failures[#failures + 1] = members[i]
          failures[#failures + 1] = members[i + 1]
        end
      end
    end
    found[#found + 1] = { id, fields, failures }
  end
end
return found
