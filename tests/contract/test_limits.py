"""The suite for everybody, on our backends: limits."""

from asyncq.testing.conformance.test_limits import *  # noqa: F403 - all its tests
