"""The suite for everybody, on our backends: funnels."""

from asyncq.testing.conformance.test_funnels import *  # noqa: F403 - all its tests
