"""The suite for everybody, on our backends: outbox."""

from asyncq.testing.conformance.test_outbox import *  # noqa: F403 - all its tests
