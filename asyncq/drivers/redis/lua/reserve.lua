-- Leases jobs. KEYS: home, bases in their order. ARGV: token, lease in µs, limit, 1 for `alone`.
local token, lease_us, limit, alone = next_arg(), next_number(), next_number(), next_number() == 1
local known = answered(token)
if known then
  return again(2, token, known[1], alone)
end
local answer, ends, leased = reserve(2, token, lease_us, limit, alone)
if leased then -- a repeat of one that leased nothing may look anew
  remember(token, { ends })
end
return answer
