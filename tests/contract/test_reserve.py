"""The suite for everybody, on our backends: reserve."""

from asyncq.testing.conformance.test_reserve import *  # noqa: F403 - all its tests
