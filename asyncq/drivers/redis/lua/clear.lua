-- Forgets some jobs of a queue. KEYS: home, base. Answers how many; 0 when none is left.
local base = KEYS[2]
for _, name in ipairs({ 'ready', 'suspect', 'lease' }) do
  local ids = call('ZRANGE', base .. name, 0, CHUNK - 1)
  if #ids > 0 then
    call('ZREM', base .. name, unpack(ids))
    for _, id in ipairs(ids) do
      forget(base, id)
    end
    return #ids
  end
end
call('DEL', base .. 'notify')
return 0
