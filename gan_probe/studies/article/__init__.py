"""The article's own experiment, from scratch, and what of its report holds."""
