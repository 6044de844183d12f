"""The question: which images are unlike the training data."""
