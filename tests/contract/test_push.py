"""The suite for everybody, on our backends: push."""

from asyncq.testing.conformance.test_push import *  # noqa: F403 - all its tests
