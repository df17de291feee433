-- Says when something happens in these queues. KEYS: home, bases. Answers µs until then, 0 for now, -1 for never.
local soonest, ready
for i = 2, #KEYS do
  local base = KEYS[i]
  local instants = {
    call('ZRANGE', base .. 'ready', 0, 0, 'WITHSCORES')[2] or false,
    -- A suspect that is due already does not end a wait, or all workers would spin while one of them runs it.
    call('ZRANGEBYSCORE', base .. 'suspect', '(' .. whole(now), '+inf', 'WITHSCORES', 'LIMIT', 0, 1)[2] or false,
    call('ZRANGE', base .. 'lease', 0, 0, 'WITHSCORES')[2] or false,
  }
  for _, text in ipairs(instants) do
    local instant = text and tonumber(text)
    if instant and (not soonest or instant < soonest) then
      soonest = instant
    end
  end
end
if soonest and soonest <= now then
  return '0'
end
-- Nothing is due, so tokens that are left speak of jobs that others took.
for i = 2, #KEYS do
  call('DEL', KEYS[i] .. 'notify')
end
return soonest and whole(soonest - now) or '-1'
