"""Whatever holds images, as one `ImageSet`."""
