-- Takes a slot if fewer than so many are held, or restarts its owner's: a zset of owners by the end of their lives.
-- ARGV: name, owner or '' for one of this call's own, limit, life in µs.
-- Answers 1 if it was taken, how many are left, and µs until there is room.
local slots, owner, limit, life = home .. next_arg(), next_arg(), next_number(), next_number()
if owner == '' then
  owner = op
end
local after = '(' .. whole(now)
local held = call('ZCOUNT', slots, after, '+inf')
local ends_at = tonumber(call('ZSCORE', slots, owner) or 0)
if ends_at <= now then
  if held >= limit then
    -- There is room when so many have ended that fewer than the limit are left, which may have been lowered.
    local place = math.min(held - limit, held - 1)
    local first = call('ZRANGEBYSCORE', slots, after, '+inf', 'WITHSCORES', 'LIMIT', math.max(0, place), 1)[2]
    return { 0, 0, first and tonumber(first) - now or 0 }, true
  end
  held = held + 1
end
call('ZADD', slots, whole(now + life), owner)
call('ZREMRANGEBYSCORE', slots, '-inf', whole(now))
call('PEXPIREAT', slots, whole(math.ceil(call('ZRANGE', slots, -1, -1, 'WITHSCORES')[2] / 1000)))
return { 1, math.max(0, limit - held), 0 }
