"""Which pairs are asked for, which are kept, and which lost ones are asked for again."""
