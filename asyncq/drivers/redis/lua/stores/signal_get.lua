-- ARGV: names. Answers name and record of each flag that is set.
local found = {}
while at < #ARGV do
  local name = next_arg()
  local rec = call('HGET', home .. 'signals', name)
  local till = rec and string.match(rec, '^%d*')
  if rec and lasts(till) then
    found[#found + 1] = name
    found[#found + 1] = rec
  end
end
return found
