"""The benchmark of the loader: shards to batches beside its peers, and the decoder's limit."""
