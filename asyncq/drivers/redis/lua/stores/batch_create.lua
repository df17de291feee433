-- ARGV: id, name, options, 1 if failures are allowed, instant in µs or ''; how many callbacks, each as name, base,
-- queue, 'd' or 'a', µs, key, life, record, and its outbox row before the id, its own id, and after it; then the members.
local id, name, options, allow, created = next_arg(), next_arg(), next_arg(), next_arg(), next_arg()
local batch = home .. 'batch:' .. id
if call('EXISTS', batch) == 1 then
  return 0
end
created = created ~= '' and created or whole(now)
call('HSET', batch, 'name', name, 'options', options, 'allow', allow, 'created', created, 'total', 0, 'pending', 0, 'failed', 0)
call('ZADD', home .. 'batches', created, id)
for _ = 1, next_number() do
  local callback = next_arg()
  local packed = {}
  for _, field in ipairs({ 'base', 'queue', 'kind', 'due', 'key', 'life', 'rec', 'before', 'origin', 'after' }) do
    packed[field] = next_arg()
  end
  call('HSET', batch, 'cb:' .. callback, cmsgpack.pack(packed))
end
if at == #ARGV then
  call('HSET', batch, 'finished', created)
  write_callbacks(callbacks(id, '', { 'then', 'finally' }))
else
  grow(id)
end
return 1
