"""The suite for everybody, on our backends: turn."""

from asyncq.testing.conformance.test_turn import *  # noqa: F403 - all its tests
