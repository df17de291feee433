"""Tests of the SQLite driver's own parts; its promises are held by the contract suite."""
