"""What scores and embeddings say about classes: arrays and tables in, results out. No torch, no files, no figures."""
