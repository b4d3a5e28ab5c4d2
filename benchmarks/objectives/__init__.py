"""The papers' comparisons of objectives in miniature: `python -m benchmarks.objectives`."""
