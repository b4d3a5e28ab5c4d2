"""Take pairs and pictures out of a workspace and all its builds, and prove that nothing is left."""
