"""The settings of a build: one TOML, checked whole before work starts, a module for each part."""
