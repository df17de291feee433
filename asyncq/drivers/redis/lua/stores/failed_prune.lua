-- Forgets some of the old records. ARGV: age in µs. Answers how many; 0 when none is left.
local ids = call('ZRANGEBYSCORE', home .. 'failed:at', '-inf', '(' .. whole(now - next_number()), 'LIMIT', 0, CHUNK)
for _, id in ipairs(ids) do
  forget_failed(id)
end
return #ids
