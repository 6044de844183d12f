"""The question: how did this training go."""
