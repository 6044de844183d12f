"""What a generator makes, and what its latents mean: the verbs ``sample`` and ``arithmetic`` as functions."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from PIL import Image
from sklearn.linear_model import RidgeClassifier

import gan_probe
from gan_probe.analysis.latents import ArithmeticResult, Equation, combine, largest_jump, shares, slerp
from gan_probe.analysis.probing import split_rows
from gan_probe.critic import Critic
from gan_probe.data import Images, ImageSet
from gan_probe.data.images import sheet
from gan_probe.errors import ConfigError, InputError
from gan_probe.generator import Generator
from gan_probe.naming import check_name
from synthetic.files import atomic_folder

MARKER = "samples.json"
SCHEMA = "gan_probe.samples/1"
FORMATS = ("folder", "npy")
MAX_SHEET = 64
N_PATHS, N_POINTS = 6, 9
N_LATENTS = 2000  # samples among which examples of a concept are looked for
MAX_FIT = 5000  # labelled images that the classifier is fitted on
POOLING = "grid4"


def write_samples(
    generator: Generator,
    out: str | Path,
    *,
    n: int = 64,
    label: str | None = None,
    format: str = "folder",
    interpolate: int = 0,
    seed: int = 0,
    overwrite: bool = False,
    source: str = "",
) -> Path:
    """Write samples as a data set that every verb reads, with their latents and a sheet; return the folder.

    Parameters
    ----------
    generator : Generator
    out : path
    n : int
        Images.
    label : str, optional
        The class to draw, of a conditional generator; default: all in turn.
    format : {"folder", "npy"}
        PNG files, or ``images.npy``; with ``metadata.parquet``, ``latents.npy`` and ``sheet.png``.
    interpolate : int
        Write ``interpolation.png`` too: so many rows, each a walk from one sample to the next.
    seed : int
    overwrite : bool
    source : str
        Where the generator was loaded from, for the record.

    Raises
    ------
    ConfigError
        For an unknown format or class, or fewer than one image.
    FileExistsError
        When ``out`` is taken.
    """
    check_name("format", format, FORMATS)
    if n < 1:
        raise ConfigError(f"the number of samples must be at least 1, got {n}.")
    latents = generator.latents(n, seed=seed)
    labels = generator.labels_in_turn(n) if label is None else [label] * n
    images = generator.decode(latents, labels=labels)
    names = [f"images/{i:06d}.png" for i in range(n)]
    table = pd.DataFrame({"file_name": names} | ({"label": labels} if labels else {}))
    with atomic_folder(out, marker=MARKER, overwrite=overwrite) as folder:
        if format == "folder":
            (folder / "images").mkdir()
            for name, image in zip(names, images, strict=True):
                Image.fromarray(image.squeeze()).save(folder / name)
            table.to_csv(folder / "metadata.csv", index=False)
        else:
            np.save(folder / "images.npy", images, allow_pickle=False)
        table.to_parquet(folder / "metadata.parquet", index=False)
        np.save(folder / "latents.npy", latents, allow_pickle=False)
        sheet(images[:MAX_SHEET]).save(folder / "sheet.png")
        if interpolate:
            sheet(paths(generator, interpolate, seed=seed, label=label)[1], N_POINTS).save(folder / "interpolation.png")
        record = {
            "schema": SCHEMA,
            "source": source,
            "run_id": generator.config.run_id,
            "step": generator.config.step,
            "seed": seed,
            "n": n,
            "label": label,
            "version": gan_probe.__version__,
        }
        (folder / MARKER).write_text(pd.Series(record).to_json(indent=1) + "\n", encoding="utf-8")
    return Path(out)


def paths(
    generator: Generator, n: int, *, seed: int = 0, label: str | None = None
) -> tuple[npt.NDArray[np.float32], Images]:
    """Return ``n`` walks between samples: latents (n, 9, d) on arcs, and their images, one walk after the other."""
    ends = generator.latents(n + 1, seed=seed)
    walks = np.stack([slerp(start, end, N_POINTS) for start, end in pairwise(ends)])
    walks = walks.astype(np.float32)
    one = generator.labels_in_turn(1) if label is None else [label]
    labels = one * (n * N_POINTS) if one else None
    return walks, generator.decode(walks.reshape(-1, walks.shape[-1]), labels=labels)


def arithmetic(
    generator: Generator,
    critic: Critic,
    data: ImageSet,
    equation: str,
    *,
    n_draws: int = 200,
    seed: int = 0,
    source: str | Path | None = None,
) -> ArithmeticResult:
    """Return whether ``a - b + c = d`` holds in the generator's latent space, as the critic's own features see it.

    Latents whose images look like a concept are found by a linear classifier on the critic's features, fitted on
    labelled images; each concept is the mean of three of them; the same classifier names the result.

    Parameters
    ----------
    generator : Generator
        Not a conditional one: its classes are no directions of the latent space.
    critic : Critic
    data : ImageSet
        Labelled images of the concepts.
    equation : str
        "A - B + C = D", with labels of ``data``.
    n_draws, seed : int
    source : path, optional

    Raises
    ------
    InputError
        Without labels, with images that do not fit, or when the generator makes too few images of a concept.
    ConfigError
        For an equation that cannot be read.

    References
    ----------
    Radford, Metz, Chintala 2016, "Unsupervised Representation Learning with DCGANs", section 6.3.2.
    """
    if generator.config.classes:
        raise InputError("the generator is conditional: its classes are asked for, not found in the latent space.")
    if "label" not in data.table:
        raise InputError(f"{data.source} has no labels to name concepts with. Add a label column or class folders.")
    if n_draws < 2:
        raise ConfigError(f"n_draws must be at least 2, got {n_draws}.")
    data = data.with_channels(critic.config.image_shape[2])
    labels = data.table["label"].astype(str).to_numpy()
    parsed = Equation.parse(equation, sorted(set(labels)))
    classify, accuracy, sizes = _classifier(critic, data.images, labels, seed)
    latents = generator.latents(N_LATENTS, seed=seed)
    combined = combine(latents, classify(generator.decode(latents)), parsed, n_draws=n_draws, seed=seed)
    images = {name: generator.decode(rows.astype(np.float32)) for name, rows in combined.items()}
    called = {name: classify(pictures) for name, pictures in images.items()}
    walks, walked = paths(generator, N_PATHS, seed=seed)
    features = critic.embed(walked, pooling=POOLING).reshape(*walks.shape[:2], -1)
    found = shares(called, parsed.expected)
    return ArithmeticResult(
        parsed,
        found,
        {name: images[name] for name in ("a", "b", "c", found[0].name)},
        called[found[0].name],
        walked.reshape(*walks.shape[:2], *walked.shape[1:]),
        [largest_jump(path) for path in features],
        accuracy,
        {**sizes, "samples": len(latents), "draws": n_draws},
        {
            "source": str(source or ""),
            "run_id": generator.config.run_id,
            "step": generator.config.step,
            "data_source": str(data.source),
            "data_fingerprint": data.fingerprint,
            "seed": seed,
            "version": gan_probe.__version__,
        },
    )


def _classifier(
    critic: Critic, images: Images, labels: npt.NDArray, seed: int
) -> tuple[Callable[[Images], list[str]], float, dict[str, int]]:
    """Return a namer of images by the critic's features, its accuracy on other images, and how many were used."""
    split = split_rows(labels, max_pool=MAX_FIT, seed=seed)

    def rows(pictures: Images) -> npt.NDArray[np.float32]:
        found = critic.embed(pictures, pooling=POOLING)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)

    model = RidgeClassifier(alpha=0.1).fit(rows(images[split.pool]), labels[split.pool])
    accuracy = float(model.score(rows(images[split.test]), labels[split.test]))
    sizes = {"fitted on": len(split.pool), "tested on": len(split.test)}
    return lambda pictures: [str(name) for name in model.predict(rows(pictures))], accuracy, sizes
