-- Uses each right that the other scripts need, and changes nothing, so that a user who lacks one hears of it at once.
-- KEYS: home.
allow_when_full()
call('GET', home)
call('PUBLISH', home .. 'probe', '')
return 0
