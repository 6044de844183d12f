"""Critics and generators: built, loaded, saved, scored with, looked into."""
