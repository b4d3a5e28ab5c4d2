"""Shards to a CLIP model, and an honest report of it. May import queries, never pipeline."""
