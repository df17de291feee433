-- What inspection shows of a job; needs lib.lua before it.

local function base_of(prefix, rec)
  return prefix .. string.match(rec, '^[^\n]*') .. '}:'
end

-- Adds six columns: id, 1 if leased, due in µs, counters, record, 1 if it has its unique key.
local function describe(found, base, id, rec)
  local held, ends = call('HGET', home .. 'tok', id), call('ZSCORE', base .. 'lease', id)
  local due = held and sub(held, 33) or call('ZSCORE', base .. 'ready', id) or call('ZSCORE', base .. 'suspect', id)
  found[#found + 1] = id
  found[#found + 1] = ends and tonumber(ends) > now and 1 or 0
  found[#found + 1] = due or '0'
  found[#found + 1] = call('HGET', home .. 'cnt', id) or ''
  found[#found + 1] = rec
  found[#found + 1] = call('HEXISTS', home .. 'ukey', id)
end
