"""What every backend promises: one suite over all of them."""
