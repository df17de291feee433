-- ARGV: prefix. Answers name and record of each flag that is set and starts so; forgets those whose life is over.
local prefix, found, flags = next_arg(), {}, call('HGETALL', home .. 'signals')
for i = 1, #flags, 2 do
  local name, rec = flags[i], flags[i + 1]
  local till = string.match(rec, '^%d*')
  if not lasts(till) then
    call('HDEL', home .. 'signals', name)
  elseif sub(name, 1, #prefix) == prefix then
    found[#found + 1] = name
    found[#found + 1] = rec
  end
end
return found
