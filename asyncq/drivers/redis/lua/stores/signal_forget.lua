-- ARGV: names. Answers how many were set.
local count = 0
while at < #ARGV do
  local name = next_arg()
  local rec = call('HGET', home .. 'signals', name)
  if rec then
    local till = string.match(rec, '^%d*')
    count = count + (lasts(till) and 1 or 0)
    call('HDEL', home .. 'signals', name)
    call('PUBLISH', home .. 'signal:' .. name, name)
  end
end
return count
