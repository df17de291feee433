-- ARGV: id. Answers 1 where it was not cancelled yet.
local batch = home .. 'batch:' .. next_arg()
if call('EXISTS', batch) == 0 then
  return 0
end
return call('HSETNX', batch, 'cancelled', whole(now))
