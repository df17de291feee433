"""The suite for everybody, on our backends: leases."""

from asyncq.testing.conformance.test_leases import *  # noqa: F403 - all its tests
