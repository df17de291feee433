-- ARGV: name, value, life in µs or ''. Tells the subscribers.
local name, value, life = next_arg(), next_arg(), next_arg()
local till = life ~= '' and whole(now + tonumber(life)) or ''
call('HSET', home .. 'signals', name, till .. '\n' .. whole(now) .. '\n' .. value)
call('PUBLISH', home .. 'signal:' .. name, name)
return 0
