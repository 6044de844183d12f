"""The question: would it come out the same if it were trained again."""
