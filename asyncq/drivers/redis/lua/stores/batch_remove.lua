-- ARGV: id. Answers 1 where it was there.
return forget_batch(next_arg())
