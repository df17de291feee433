"""The suite for everybody, on our backends: results."""

from asyncq.testing.conformance.test_results import *  # noqa: F403 - all its tests
