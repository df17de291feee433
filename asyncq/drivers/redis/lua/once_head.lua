-- Around a script whose reply can be lost: a repeat with the same first argument gets the first answer.
local op = next_arg()
local known = answered(op)
if known then
  return known.answer
end
local function body()
