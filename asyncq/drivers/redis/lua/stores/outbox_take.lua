-- Leases the oldest rows. ARGV: limit, lease in µs. Answers id, kind, target and body of each.
local limit, till, found, from = next_number(), nil, {}, 0
till = whole(now + next_number())
while limit > 0 do
  local ids = call('ZRANGE', home .. 'outbox', from, from + CHUNK - 1)
  for _, id in ipairs(ids) do
    local leased = call('HGET', home .. 'outbox:till', id)
    if limit > 0 and not (leased and tonumber(leased) > now) then
      call('HSET', home .. 'outbox:till', id, till)
      found[#found + 1] = id
      for _, field in ipairs(cmsgpack.unpack(call('HGET', home .. 'outbox:row', id))) do
        found[#found + 1] = field
      end
      limit = limit - 1
    end
  end
  if #ids < CHUNK then
    break
  end
  from = from + CHUNK
end
return found
