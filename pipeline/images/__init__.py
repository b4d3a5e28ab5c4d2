"""A stranger's picture to a stored one: judged, written to image parts, scored."""
