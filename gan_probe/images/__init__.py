"""Images in: everything above this room sees uint8 NHWC images and one DataFrame."""
