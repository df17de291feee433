-- Counts the jobs of queues. KEYS: home, bases. Answers for each: ready, delayed, reserved, µs since the oldest ready
-- one was due, or -1.
local answer, instant = {}, whole(now)
for i = 2, #KEYS do
  local base, oldest = KEYS[i], nil
  local ready = call('ZCOUNT', base .. 'lease', '-inf', instant)
  local delayed = 0
  for _, name in ipairs({ 'ready', 'suspect' }) do
    ready = ready + call('ZCOUNT', base .. name, '-inf', instant)
    delayed = delayed + call('ZCOUNT', base .. name, '(' .. instant, '+inf')
    local first = tonumber(call('ZRANGE', base .. name, 0, 0, 'WITHSCORES')[2])
    oldest = first and math.min(first, oldest or first) or oldest
  end
  for _, id in ipairs(call('ZRANGEBYSCORE', base .. 'lease', '-inf', instant, 'LIMIT', 0, CHUNK)) do
    local held = call('HGET', home .. 'tok', id)
    local due = held and tonumber(sub(held, 33))
    oldest = due and math.min(due, oldest or due) or oldest
  end
  answer[#answer + 1] = ready
  answer[#answer + 1] = delayed
  answer[#answer + 1] = call('ZCOUNT', base .. 'lease', '(' .. instant, '+inf')
  answer[#answer + 1] = oldest and oldest <= now and whole(now - oldest) or '-1'
end
return answer
