"""The suite for everybody, on our backends: locks."""

from asyncq.testing.conformance.test_locks import *  # noqa: F403 - all its tests
