"""The suite for everybody, on our backends: inspection."""

from asyncq.testing.conformance.test_inspection import *  # noqa: F403 - all its tests
