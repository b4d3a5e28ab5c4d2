"""The Luigi tasks: the only modules that compose the stages into a build."""
