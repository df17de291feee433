"""The suite for everybody, on our backends: effects."""

from asyncq.testing.conformance.test_effects import *  # noqa: F403 - all its tests
