"""The crash proof: real worker processes are killed and stalled, and a checker judges what they wrote down."""
