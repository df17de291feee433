"""The suite for everybody, on our backends: cancellation."""

from asyncq.testing.conformance.test_cancellation import *  # noqa: F403 - all its tests
