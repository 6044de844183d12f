"""The folder that a training leaves: what is written there, when, and how it is read back."""
