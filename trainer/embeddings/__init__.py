"""Embeddings of a build by a model: written once, then clustered, exported and searched."""
