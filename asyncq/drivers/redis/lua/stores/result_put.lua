-- ARGV: as keep_result reads it. Tells who waits for it.
keep_result(true)
return 0
