"""What is measured side by side, one file per group."""
