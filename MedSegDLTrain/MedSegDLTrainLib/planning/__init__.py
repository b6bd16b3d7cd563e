"""A training job out of what the cases are like, each value with its reason."""
