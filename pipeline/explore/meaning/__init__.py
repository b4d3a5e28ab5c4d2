"""Search by meaning: embeddings of a run, what is near in them, and a map of them."""
