"""Which pictures are copies of one another: hashes, a learned detector, and thresholds."""
