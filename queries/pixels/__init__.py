"""What pipeline and trainer both must know of a picture: its header, its hashes, what PNGs fit."""
