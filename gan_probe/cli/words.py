"""Words that options take, for completion in a shell: known without importing what they name. A test compares them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gan_probe.cli.export import OPENED
from gan_probe.cli.list import KINDS
from gan_probe.config import AUGMENTATIONS, AUXILIARIES, OBJECTIVES, PRECISIONS, PRESETS, VARIED

# By verb and parameter, or by parameter alone where it means the same everywhere.
WORDS: Mapping[str, Sequence[str]] = {
    "device": ("auto", "cpu", "cuda"),
    "preset": tuple(PRESETS),
    "pooling": ("auto", "mean", "std", "max", "grid4", "quadrants", "pyramid"),
    "precision": PRECISIONS,
    "score on_error": ("skip", "raise", "nan"),
    "score engine": ("local", "processes", "ray"),
    "train network": (
        "compact",
        "compact-half",
        "oriented",
        "article",
        "residual",
        "dcgan",
        "dcgan-half",
        "sngan",
        "mlp",
        "mlp-deep",
    ),
    "train objective": OBJECTIVES,
    "train augment": AUGMENTATIONS,
    "train auxiliary": tuple(AUXILIARIES),
    "train vary": VARIED,
    "train log": ("tensorboard",),
    "explain method": ("occlusion", "gradients", "both"),
    "explain baseline": ("border", "white", "black", "blurred"),
    "report projection": ("pca", "tsne", "umap"),
    "probe classifiers": ("linear", "knn"),
    "ensemble alignment": ("affine", "shift"),
    "stability step": ("agreed",),
    "sample format": ("folder", "npy"),
    "synth format": ("folder", "parquet", "npy", "tar"),
    "export to": tuple(OPENED),
    "list kind": KINDS,
}


def completion(verb: str, param: str) -> Callable[[object, object, str], list[str]] | None:
    """Return what completes a parameter's value, or None where it is no word of a few."""
    words = WORDS.get(f"{verb} {param}", WORDS.get(param))
    if words is None:
        return None
    return lambda _context, _param, begun: [word for word in words if word.startswith(begun)]
