"""Features, one file each; `wiring.FEATURES` is the only place that names them."""
