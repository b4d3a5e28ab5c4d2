"""What a trained model can do: zero-shot, retrieval, probes, robustness, each with its interval."""
