"""The suite for everybody, on our backends: wait."""

from asyncq.testing.conformance.test_wait import *  # noqa: F403 - all its tests
