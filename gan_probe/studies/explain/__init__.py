"""The question: which pixels move the score."""
