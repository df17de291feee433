"""The crash proof: workers are killed and stalled, a server is killed, and a checker judges what was written down."""
