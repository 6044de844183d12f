"""Critics and generators: built, loaded, saved, scored with, looked into."""

from gan_probe.critics import critic, ensemble  # each registers how its folders are opened

__all__ = ["critic", "ensemble"]
