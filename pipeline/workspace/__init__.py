"""The folder that a build works in: its places, its lock, its endings and its log of takedowns."""
