"""Measurements and proofs of asyncq; no part of the package."""
