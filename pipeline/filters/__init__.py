"""Which candidates are dropped before matching: rules of captions, hosts, languages and exclusions."""
