"""The question: is this critic fit to be used as a scorer."""
