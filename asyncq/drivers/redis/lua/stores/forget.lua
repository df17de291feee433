-- Forgets whole keys. ARGV: their names. A repeat must not forget what came meanwhile.
while at < #ARGV do
  call('DEL', home .. next_arg())
end
return 0
