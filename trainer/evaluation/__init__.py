"""Evaluations of a trained model: zero-shot, retrieval, probes, robustness, with intervals."""
