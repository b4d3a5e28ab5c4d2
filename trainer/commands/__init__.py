"""The commands of `python -m trainer`: arguments to results that are kept and printed."""
