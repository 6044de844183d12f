"""The question: does a - b + c = d hold among a generator's latents."""
