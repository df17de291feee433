-- Members of batches; needs lib.lua before it.

-- Adds the members that are left in ARGV; one that the batch has or had is not added again.
local function grow(id)
  local added = 0
  while at < #ARGV do
    added = added + call('HSETNX', home .. 'members:' .. id, next_arg(), '0')
  end
  call('HINCRBY', home .. 'batch:' .. id, 'total', added)
  call('HINCRBY', home .. 'batch:' .. id, 'pending', added)
end

local function forget_batch(id)
  call('ZREM', home .. 'batches', id)
  call('DEL', home .. 'members:' .. id)
  return call('DEL', home .. 'batch:' .. id)
end
