"""Real processes, real signals, kill -9."""
