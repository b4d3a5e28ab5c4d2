"""Which candidates are dropped before matching: by caption, host, language or exclusion."""
