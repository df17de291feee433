-- Looks jobs up. KEYS: home. ARGV: start of all bases, ids. Answers now and the columns of each that is there.
local prefix, found = next_arg(), { whole(now) }
while at < #ARGV do
  local id = next_arg()
  local rec = call('HGET', home .. 'rec', id)
  if rec then
    describe(found, base_of(prefix, rec), id, rec)
  end
end
return found
