"""The command line, seen from outside: real processes in projects of their own, by output and exit code."""
