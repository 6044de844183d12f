"""The question: how do images score of which no classes are known."""
