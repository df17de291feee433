-- Frees the unique key of a job that its caller holds. KEYS: home. ARGV: id, token. Answers 1 where it is held.
local id, token = next_arg(), next_arg()
if not fresh(id, token) then
  return 0
end
free_key(id)
return 1
