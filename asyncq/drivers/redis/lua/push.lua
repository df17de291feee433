-- Stores jobs. KEYS: home, bases. ARGV: for each base its name, how many jobs, the jobs.
-- Answers for each job that was refused its place, and the id of the job that is there instead.
local refused, place = {}, 0
for i = 2, #KEYS do
  local base, name, count = KEYS[i], next_arg(), next_number()
  for _ = 1, count do
    local other = push_next(base)
    if other then
      refused[#refused + 1] = place
      refused[#refused + 1] = other
    end
    place = place + 1
  end
  call('SADD', home .. 'queues', name)
  wake(base)
end
return refused
