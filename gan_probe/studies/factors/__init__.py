"""The question: which factors do score and embedding follow."""
