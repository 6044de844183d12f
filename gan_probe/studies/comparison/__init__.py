"""The question: which of several critics tells more of the same images."""
