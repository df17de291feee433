"""The worker: one task group that reserves, runs and settles jobs, and a thread that keeps their leases."""
