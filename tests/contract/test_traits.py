"""The suite for everybody, on our backends: traits."""

from asyncq.testing.conformance.test_traits import *  # noqa: F403 - all its tests
