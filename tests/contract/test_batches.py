"""The suite for everybody, on our backends: batches."""

from asyncq.testing.conformance.test_batches import *  # noqa: F403 - all its tests
