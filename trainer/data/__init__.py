"""Shards to batches: samples, pixels, token ids and their order."""
