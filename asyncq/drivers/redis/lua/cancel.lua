-- Forgets jobs that wait. KEYS: home. ARGV: start of all bases, ids. Answers the ids that were forgotten.
local prefix, gone = next_arg(), {}
while at < #ARGV do
  local id = next_arg()
  local rec = call('HGET', home .. 'rec', id)
  if rec then
    local base = base_of(prefix, rec)
    local ends = call('ZSCORE', base .. 'lease', id)
    -- A job whose lease ran out waits again, though nobody took it back yet.
    if not ends or tonumber(ends) <= now then
      call('ZREM', base .. 'ready', id)
      call('ZREM', base .. 'suspect', id)
      forget(base, id)
      gone[#gone + 1] = id
    end
  end
end
return gone
