-- Ends attempts, then leases jobs. KEYS: home, bases; the reserve asks the last ones, in their order.
-- ARGV: token, lease in µs, limit, place of the first base to reserve from; the settlements.
allow_when_full()
local token, lease_us, limit, from = next_arg(), next_number(), next_number(), next_number()
local known = answered(token)
if known then
  return { known[2], again(from, token, known[1], false) }
end
local stale = settle(2)
local answer, ends = reserve(from, token, lease_us, limit, false)
remember(token, { ends, stale })
return { stale, answer }
