"""The suite for everybody, on our backends: failed."""

from asyncq.testing.conformance.test_failed import *  # noqa: F403 - all its tests
