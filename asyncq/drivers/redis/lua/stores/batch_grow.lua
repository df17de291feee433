-- ARGV: id, the asking member or '', members. Answers 1 if the batch is unfinished, or the asking member is.
local id, by = next_arg(), next_arg()
local batch = home .. 'batch:' .. id
local alive = by ~= '' and call('HGET', home .. 'members:' .. id, by) == '0'
if call('EXISTS', batch) == 0 or (call('HEXISTS', batch, 'finished') == 1 and not alive) then
  return 0
end
grow(id)
return 1
