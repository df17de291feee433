-- What the scripts share; put before each of them.
--
-- KEYS[1] is the home: where the hashes of jobs lie. The other keys are bases of queues. All keys are a home or a base
-- with a name behind it, so they share its hash tag. Where there is one server, one home serves all queues.
--
--   base .. ready    zset  id -> due in µs: jobs that wait, delayed ones too
--   base .. suspect  zset  the same for jobs that crashed twice or more
--   base .. lease    zset  id -> end of the lease in µs
--   base .. notify   list  tokens that wake workers; never more than a few
--   home .. rec      hash  id -> queue, name, body; written once, never read here but for its first line
--   home .. tok      hash  id -> fencing token (32 characters), then the due time; only while leased
--   home .. cnt      hash  id -> attempts:exceptions:crashes; only where one of them is not 0
--   home .. uniq     hash  unique key -> end in µs or nothing, id
--   home .. ukey     hash  id -> unique key
--   home .. op:…     what a call answered, for half a minute
local call, sub, format = redis.call, string.sub, string.format

local TOKENS = 64 -- most tokens in one list
local CHUNK = 500 -- most jobs that one step moves
local OP_MS = 30000

local home = KEYS[1]

local time = call('TIME')
local now = time[1] * 1000000 + time[2]

local at = 0 -- place in ARGV
local function next_arg()
  at = at + 1
  return ARGV[at]
end

local function next_number()
  at = at + 1
  return tonumber(ARGV[at])
end

-- Lua writes large numbers as 1.8e+15.
local function whole(number)
  return format('%.0f', number)
end

-- A write that changes nothing: from then on a server without memory takes the others too. What drains must go on.
local function allow_when_full()
  call('DEL', home)
end

-- Wakes one who waits; true unless there are tokens enough.
local function wake(base)
  if call('LLEN', base .. 'notify') < TOKENS then
    call('LPUSH', base .. 'notify', '1')
    return true
  end
end

local function answered(op)
  local known = call('GET', home .. 'op:' .. op)
  return known and cmsgpack.unpack(known)
end

local function remember(op, answer)
  call('SET', home .. 'op:' .. op, cmsgpack.pack(answer), 'PX', OP_MS)
end
