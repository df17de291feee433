-- ARGV: batch, member, 1 if it failed, and so on. Answers the bodies of the rows of the callbacks that became due.
local bodies = {}
while at < #ARGV do
  local batch, member, failed = next_arg(), next_arg(), next_arg() == '1'
  for _, body in ipairs(write_callbacks(callbacks(batch, member, count_end(batch, member, failed)))) do
    bodies[#bodies + 1] = body
  end
end
return bodies
