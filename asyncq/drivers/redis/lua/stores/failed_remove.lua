-- ARGV: last instant in µs or '', ids. Answers how many were forgotten.
local till, count = next_arg(), 0
while at < #ARGV do
  local id = next_arg()
  local instant = call('ZSCORE', home .. 'failed:at', id)
  if instant and (till == '' or tonumber(instant) <= tonumber(till)) then
    count = count + forget_failed(id)
  end
end
return count
