"""The question: when in the training do the classes fall apart."""
