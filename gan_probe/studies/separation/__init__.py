"""The question: what does the critic separate, and what did the training add."""
