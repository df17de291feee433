-- ARGV: name, owner. Answers 1 where the slot was the owner's.
local slots, owner = home .. next_arg(), next_arg()
local ends_at = tonumber(call('ZSCORE', slots, owner) or 0)
call('ZREM', slots, owner)
return ends_at > now and 1 or 0
