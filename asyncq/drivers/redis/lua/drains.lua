-- Before a script that must go on where the server has no memory left.
allow_when_full()
