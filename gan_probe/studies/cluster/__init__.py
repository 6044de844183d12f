"""The question: which groups do scores and embeddings fall into, without labels."""
