"""Fetch pictures from the open web: one process a part, guarded at every step."""
