"""The suite for everybody, on our backends: keeper."""

from asyncq.testing.conformance.test_keeper import *  # noqa: F403 - all its tests
