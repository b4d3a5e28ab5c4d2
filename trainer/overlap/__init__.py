"""What evaluation sets share with the training data, and what that does to accuracy."""
