"""The folder that a build works in: its places, its lock, how a build ends, what was taken down."""
