"""Other queues with the same workloads, each in an environment of its own."""
