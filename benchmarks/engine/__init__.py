"""The whole engine measured beside hand loops that do nothing but the work."""
