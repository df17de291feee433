-- ARGV: ids.
while at < #ARGV do
  local id = next_arg()
  call('ZREM', home .. 'outbox', id)
  call('HDEL', home .. 'outbox:row', id)
  call('HDEL', home .. 'outbox:till', id)
end
return 0
