"""Images in and tables out. Everything above this layer sees uint8 NHWC images and one DataFrame."""

from gan_probe.data.images import Images, ImageSet, LazyImages, fit_channels
from gan_probe.data.reading import read_images
from gan_probe.data.streaming import stream_images
from gan_probe.data.tables import ScoreTable, read_scores, write_scores

__all__ = [
    "ImageSet",
    "Images",
    "LazyImages",
    "ScoreTable",
    "fit_channels",
    "read_images",
    "read_scores",
    "stream_images",
    "write_scores",
]
