-- Ends attempts. KEYS: home, bases. ARGV: the settlements. Answers id and token of each stale one.
return settle(2)
