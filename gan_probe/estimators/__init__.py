"""Critics inside scikit-learn: transformers, a scorer, a detector of novelty, a classifier.

Rows (n, d) are the contract: an image is a row of its pixels, height x width x channels; other ranks are reshaped.
"""

from gan_probe.estimators.classifier import CriticClassifier
from gan_probe.estimators.critics import CriticEmbedder, CriticNovelty, CriticScorer
from gan_probe.estimators.loader import ImageLoader

__all__ = ["CriticClassifier", "CriticEmbedder", "CriticNovelty", "CriticScorer", "ImageLoader"]
