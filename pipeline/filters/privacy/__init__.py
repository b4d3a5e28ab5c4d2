"""Finds personal data in captions and addresses, counts it, and masks it in captions."""
