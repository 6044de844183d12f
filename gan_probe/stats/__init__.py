"""Arrays in, numbers out; no torch, no files, no words."""
