"""Selects the pairs to request, the pairs to keep, and the lost pairs to request again."""
