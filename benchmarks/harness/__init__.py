"""Runs cases in interleaved rounds, judges the figures by their targets, writes them down."""
