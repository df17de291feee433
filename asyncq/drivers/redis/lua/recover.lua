-- Clears up an operation whose caller gave it up: jobs that it leased go back uncounted, and should it come only now,
-- it does nothing. KEYS: home, bases that it leased from. ARGV: its token, its kind.
-- Answers 1 if it had run, else 0, and the ends of jobs in it that were stale.
local token, kind = next_arg(), next_arg()
local known = answered(token)

local function give_back(base)
  local first, last = known and known[1] or '-inf', known and known[1] or '+inf'
  local found = false
  for _, id in ipairs(call('ZRANGEBYSCORE', base .. 'lease', first, last)) do
    local held = fresh(id, token)
    if held then
      local _, _, crashes = counters(id)
      end_lease(base, id)
      put_back(base, id, sub(held, 33), crashes)
      found = true
    end
  end
  if found then
    wake(base)
  end
end

if kind == 'settle' then
  local stale = known and known.answer or {}
  remember(token, { answer = stale })
  return { known and 1 or 0, stale }
end
for i = 2, #KEYS do
  give_back(KEYS[i])
end
local stale = known and known[2] or {}
remember(token, { '0', stale })
return { known and 1 or 0, stale }
