"""The TOML of a build, checked whole before work starts."""
