"""The suite for everybody, on our backends: settle."""

from asyncq.testing.conformance.test_settle import *  # noqa: F403 - all its tests
