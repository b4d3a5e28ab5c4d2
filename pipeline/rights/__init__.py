"""What owners say of their works: licences, and signals about their use for training."""
