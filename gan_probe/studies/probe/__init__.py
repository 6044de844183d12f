"""The question: how many labels do the critic's features need."""
