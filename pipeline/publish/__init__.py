"""A finished build as others get it: shards, one immutable folder, and its card."""
