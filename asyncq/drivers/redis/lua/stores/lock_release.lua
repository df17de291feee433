-- ARGV: key, owner. Answers 1 where the lock was the owner's.
local key, owner = next_arg(), next_arg()
return unlock(key, owner)
