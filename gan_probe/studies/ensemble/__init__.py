"""The question: do the members of an ensemble agree, and more than untrained ones would."""
