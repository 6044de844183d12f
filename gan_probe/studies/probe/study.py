"""The study ``probe``: representations made in turn, and probed on the same draws of labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from gan_probe.config import POOLING
from gan_probe.critics.critic import Critic
from gan_probe.errors import InputError
from gan_probe.images.image_set import NO_LABEL, ImageSet
from gan_probe.images.readers.entries import some
from gan_probe.images.readers.reading import as_images
from gan_probe.names import TEST, split_role
from gan_probe.scoring import imagenet
from gan_probe.scoring.controls import PROBED, SEEDS, random_inits
from gan_probe.scoring.engines import LOCAL, Engine, Wanted
from gan_probe.scoring.score import describe_critic, describe_origin
from gan_probe.stats.beside import numbered
from gan_probe.stats.splits import MAX_POOL, Split, split_rows
from gan_probe.studies.probe import result as probing
from gan_probe.studies.probe.result import ProbeResult
from gan_probe.types import Images, Progress, Rows

IMAGENET = "imagenet"


def probe(
    critic: Critic,
    data: ImageSet | str | Path | Images,
    *,
    per_class: Sequence[int] | None = None,
    n_draws: int = probing.N_DRAWS,
    classifiers: Sequence[str] = tuple(probing.CLASSIFIERS),
    pooling: str = POOLING,
    max_pool: int = MAX_POOL,
    controls: bool = True,
    task_alone: Critic | None = None,
    batch_size: int | None = None,
    engine: Engine = LOCAL,
    seed: int = 0,
    progress: Progress = iter,
) -> ProbeResult:
    """Return how many labels the critic's features need to tell the classes of ``data``, beside their controls.

    Parameters
    ----------
    critic : Critic
    data : ImageSet, path or ndarray
        With labels. Its ``split`` column, where it has one, says which images are tested on.
    per_class, n_draws, classifiers
        See `gan_probe.studies.probe.result.probe`.
    pooling : str
        A row of `gan_probe.critics.features.POOLINGS`; "auto": what the network asks for. "grid4" is that of Radford
        et al. 2016.
    max_pool : int
        Images at most that labels are drawn from.
    controls : bool
        Run the same probe on randomly initialised critics, on the baselines of `gan_probe.scoring.controls.CONTROLS`
        and, where it is installed, on a network trained on ImageNet.
    task_alone : Critic, optional
        The same network trained by its auxiliary task alone, without a generator: one more control, which says
        whether the game added anything.
    batch_size : int, optional
    engine : Engine
        Who passes the images through the critics.
    seed : int
        Of the split, the draws and the controls.
    progress : callable, optional
        Wraps what is iterated over, each representation, classifier and count, for a progress bar.

    Raises
    ------
    InputError
        Without labels, with too few images of a class, images that do not fit the critic, or a ``task_alone`` that is
        no such control.
    ConfigError
        For an unknown classifier or pooling, or a number out of range.
    """
    data = as_images(data, image_shape=critic.config.image_shape).with_channels(critic.config.image_shape[2])
    if "label" not in data.table:
        raise InputError(f"{data.source} has no labels, and a probe needs some. Add a label column or class folders.")
    known = _of_training(critic, data)
    data = _with_label(data)
    labels = data.table["label"].astype(str).to_numpy()
    splits = data.table["split"].to_numpy() if "split" in data.table else None
    split = split_rows(labels, splits, max_pool=max_pool, seed=seed)
    notes = [*known, *_of_splits(splits)]
    used = np.sort(np.concatenate([split.pool, split.validation, split.test]))
    images, labels = data.images[used], labels[used]
    split = Split(*(np.searchsorted(used, part) for part in (split.pool, split.validation, split.test)))
    seen = np.isin(labels, critic.config.training_classes) if critic.config.training_classes else None
    told = [] if task_alone is None else check_task_alone(task_alone, critic)
    features = partial(_features, engine=engine, pooling=pooling, batch_size=batch_size)
    encoders, layers, single_layers, warnings = _representations(
        critic, images, split, features=features, controls=controls, task_alone=task_alone, seed=seed
    )
    outcomes = probing.probe_rows(
        encoders, labels, split,
        per_class=per_class, n_draws=n_draws, classifiers=classifiers, seen=seen, seed=seed, progress=progress,
    )  # fmt: skip
    provenance = {**describe_origin(critic, data), "pooling": critic.chosen_pooling(pooling), "seed": seed}
    if task_alone is not None:
        provenance["task_alone"] = {**describe_critic(task_alone), "auxiliary": task_alone.config.auxiliary}
    sizes = {
        "classes": len(set(labels)),
        "pool": len(split.pool),
        "validation": len(split.validation),
        "test": len(split.test),
    }
    references = tuple(name for name in encoders if name == IMAGENET)
    inits = tuple(name for name in encoders if name in numbered(len(SEEDS)))
    baselines = tuple(name for name in encoders if name in PROBED or name == probing.TASK_ALONE)
    result = ProbeResult(
        outcomes=outcomes,
        random_init=inits,
        baselines=baselines,
        layers=layers,
        references=references,
        sizes=sizes,
        provenance=provenance,
        warnings=[*data.warnings, *(f"the critic was {note}" for note in critic.notes), *notes, *told, *warnings],
        auxiliary="" if critic.config.without_generator else critic.config.auxiliary,
    )
    more = []
    for classifier in result.classifiers:
        of_layers = single_layers if classifier == result.classifiers[0] else {}
        more += probing.probe_rows(
            _joined(result, classifier, encoders, split) | of_layers, labels, split,
            per_class=(probing.middle_outcome(result.of(probing.CRITIC, classifier)).per_class,), n_draws=n_draws,
            classifiers=(classifier,), seen=seen, seed=seed,
        )  # fmt: skip
    return replace(result, more=more)


def _of_training(critic: Critic, data: ImageSet) -> list[str]:
    """Return a word where the critic was trained on these images; raise where it learned their labels."""
    if not critic.config.was_trained_on(data):
        return []
    if critic.config.heads.get("n_outputs") or critic.config.is_conditional:
        raise InputError(
            f"the critic was trained on these images with their labels ({data.source}), so a probe of its features"
            " would test on what it learned. Give images that it has not seen."
        )
    return ["these are the images that the critic was trained on, without labels; controls had no such look at them."]


def _with_label(data: ImageSet) -> ImageSet:
    """Return the images that have a label; how many have none is said by the set."""
    labelled = (data.table["label"].astype(str) != NO_LABEL).to_numpy()
    return data if labelled.all() else data.take(labelled)


def _of_splits(splits: npt.NDArray[Any] | None) -> list[str]:
    """Return what is to be said where the data names several splits, and none that is tested on."""
    names = [] if splits is None else sorted({str(name) for name in splits})
    if len(names) < 2 or any(split_role(name) == TEST for name in names):
        return []
    return [
        f"no split is called test ({some(names)}): a random part of all images is tested on, whatever their split; a"
        " critic may have been trained on some."
    ]


def check_task_alone(control: Critic, critic: Critic) -> list[str]:
    """Return what else differs between a critic and its control by the auxiliary task alone, in words.

    Raises
    ------
    InputError
        For a control that was trained with a generator, or that is another network.
    """
    ours, theirs = critic.config, control.config
    if not theirs.without_generator:
        raise InputError(
            f"{control.source or 'the control'} was not trained without a generator, so it does not show what the"
            " auxiliary task gives alone. Train one with: gan-probe train ... --without-generator."
        )
    if (theirs.network, theirs.image_shape, theirs.layers) != (ours.network, ours.image_shape, ours.layers):
        raise InputError(
            f"the control is network {theirs.network!r} for images of {theirs.image_shape}, the critic {ours.network!r}"
            f" for {ours.image_shape}; only the same network shows what the game added."
        )
    pairs = {
        "other data": (theirs.data_fingerprint, ours.data_fingerprint),
        f"another task ({theirs.auxiliary}, the critic: {ours.auxiliary or 'none'})": (
            theirs.auxiliary,
            ours.auxiliary,
        ),
        f"another number of steps ({theirs.step}, the critic: {ours.step})": (theirs.step, ours.step),
    }
    return [f"the control by the auxiliary task alone was trained on {d}." for d, (a, b) in pairs.items() if a != b]


def _joined(
    result: ProbeResult, classifier: str, encoders: Mapping[str, Callable[[], Rows]], split: Split
) -> dict[str, Callable[[], Rows]]:
    """Return how to make the critic's features beside those of its best control; empty without controls."""
    best = result.advantage(classifier).control
    if not best:
        return {}

    def encode() -> Rows:
        parts = [probing.scaled_rows(encoders[name](), split.pool) for name in (probing.CRITIC, best)]
        return np.concatenate(parts, axis=1)

    return {probing.joined_name(best): encode}


def _features(critic: Critic, images: Images, *, engine: Engine, pooling: str, batch_size: int | None) -> list[Rows]:
    """Return the features of each layer of a critic, each (n, d), from one pass."""
    widths = [critic.embed(images[:1], layers=[layer], pooling=pooling).shape[1] for layer in critic.config.layers]
    found = engine.run([critic], images, Wanted(None, pooling), batch_size=batch_size)[0].features
    assert found is not None
    return np.split(found, np.cumsum(widths)[:-1], axis=1)


def _representations(
    critic: Critic,
    images: Images,
    split: Split,
    *,
    features: Callable[[Critic, Images], list[Rows]],
    controls: bool,
    task_alone: Critic | None,
    seed: int,
) -> tuple[dict[str, Callable[[], Rows]], tuple[str, ...], dict[str, Callable[[], Rows]], list[str]]:
    """Return how to make each representation, which of them are single layers, theirs in controls, what is missing."""
    layers = critic.config.layers
    if not layers:
        raise InputError(f"{critic.config.network} shows no layers, so it has no features to probe.")
    blocks = features(critic, images)

    def together(parts: Sequence[Rows]) -> Rows:
        return probing.joined_layers(parts, split.pool)

    found: dict[str, Callable[[], Rows]] = {probing.CRITIC: lambda: together(blocks)}
    singles = {f"{probing.CRITIC} {layer}": block for layer, block in zip(layers, blocks, strict=True)}
    if len(layers) > 1:
        found |= {name: partial(together, [block]) for name, block in singles.items()}
    if task_alone is not None:
        found[probing.TASK_ALONE] = lambda: together(features(task_alone, images))
    warnings: list[str] = []
    of_layers: dict[str, Callable[[], Rows]] = {}
    if controls:
        others, notes = random_inits(critic)
        warnings.extend(notes)
        inits = dict(zip(numbered(len(others)), others, strict=True))
        found |= {
            name: partial(lambda other: together(features(other, images)), other) for name, other in inits.items()
        }

        @lru_cache(maxsize=1)  # the layers of one critic after the other
        def blocks_of(name: str) -> list[Rows]:
            return features(inits[name], images)

        if len(layers) > 1:
            of_layers = {
                f"{name} {layer}": partial(lambda name, place: together([blocks_of(name)[place]]), name, place)
                for name in inits
                for place, layer in enumerate(layers)
            }
        unlabelled = images[split.pool]
        for name, fit in PROBED.items():
            found[name] = partial(lambda fit: fit(unlabelled, seed)(images), fit)
        if imagenet.is_installed():
            found[IMAGENET] = lambda: imagenet.embed(images, device=critic.device)
        else:
            warnings.append("no ImageNet network: pip install 'gan-probe[imagenet]' adds it as a reference.")
    return found, tuple(singles) if len(layers) > 1 else (), of_layers, warnings
