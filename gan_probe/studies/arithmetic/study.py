"""The study ``arithmetic``: latents combined, decoded, and named by a classifier on the critic's features."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from sklearn.linear_model import RidgeClassifier

from gan_probe.config import POOLING
from gan_probe.critics.critic import Critic
from gan_probe.critics.generator import Generator
from gan_probe.critics.sampling import paths
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import ImageSet
from gan_probe.scoring.engines import LOCAL, Engine, Wanted
from gan_probe.stats.splits import split_rows
from gan_probe.studies.arithmetic.result import (
    ArithmeticResult,
    Equation,
    combine,
    draw_shares,
    largest_jump,
    n_disjoint,
)
from gan_probe.types import Images, Labels, Rows
from gan_probe.version import VERSION

N_PATHS = 6
N_LATENTS = 2000  # samples among which examples of a concept are looked for
MAX_FIT = 5000  # labelled images that the classifier is fitted on


def arithmetic(
    generator: Generator,
    critic: Critic,
    data: ImageSet,
    equation: str,
    *,
    n_draws: int = 200,
    seed: int = 0,
    engine: Engine = LOCAL,
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
    engine : Engine
        Who passes images through the critic.

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
    embed = partial(_embed, critic, engine)
    classify, accuracy, sizes = _classifier(embed, data.images, labels, seed)
    latents = generator.latents(N_LATENTS, seed=seed)
    named = classify(generator.decode(latents))
    combined = combine(latents, named, parsed, n_draws=n_draws, seed=seed)
    images = {name: generator.decode(rows.astype(np.float32)) for name, rows in combined.items()}
    called = {name: classify(pictures) for name, pictures in images.items()}
    walks, walked = paths(generator, N_PATHS, seed=seed)
    features = embed(walked).reshape(*walks.shape[:2], -1)
    found = draw_shares(called, parsed.expected, n_disjoint(named, parsed))
    return ArithmeticResult(
        equation=parsed,
        shares=found,
        pictures={name: images[name] for name in ("a", "b", "c", found[0].name)},
        called=called[found[0].name],
        walks=walked.reshape(*walks.shape[:2], *walked.shape[1:]),
        jumps=[largest_jump(path) for path in features],
        classifier_accuracy=accuracy,
        sizes={**sizes, "samples": len(latents), "draws": n_draws},
        provenance={
            "source": critic.source,
            "run_id": generator.config.run_id,
            "step": generator.config.step,
            "data_source": str(data.source),
            "data_fingerprint": data.fingerprint,
            "seed": seed,
            "version": VERSION,
        },
        warnings=list(data.warnings),
    )


def _embed(critic: Critic, engine: Engine, images: Images) -> Rows:
    found = engine.run([critic], images, Wanted(None, POOLING))[0].features
    if found is None:
        raise InputError(f"{critic.config.network} shows no layers, and arithmetic names images by their features.")
    return found


def _classifier(
    embed: Callable[[Images], Rows], images: Images, labels: Labels, seed: int
) -> tuple[Callable[[Images], list[str]], float, dict[str, int]]:
    """Return a namer of images by the critic's features, its accuracy on other images, and how many were used."""
    split = split_rows(labels, max_pool=MAX_FIT, seed=seed)

    def rows(pictures: Images) -> Rows:
        found = embed(pictures)
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-12)

    model = RidgeClassifier(alpha=0.1).fit(rows(images[split.pool]), labels[split.pool])
    accuracy = float(model.score(rows(images[split.test]), labels[split.test]))
    sizes = {"fitted on": len(split.pool), "tested on": len(split.test)}
    return lambda pictures: [str(name) for name in model.predict(rows(pictures))], accuracy, sizes
