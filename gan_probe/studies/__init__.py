"""One folder a question: ``study`` runs it, ``result`` holds numbers and sentences."""
