"""The suite for everybody, on our backends: signals."""

from asyncq.testing.conformance.test_signals import *  # noqa: F403 - all its tests
