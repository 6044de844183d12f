"""An analysis in plain words: what separates, what the training added, what the controls say, how sure it is."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gan_probe.scoring.table import BASELINE, CRITIC_ROWS, CRITIC_SCORE, Source
from gan_probe.stats.auroc import n_separated
from gan_probe.stats.beside import RANDOM_INIT, title_of
from gan_probe.stats.margin import Margin

if TYPE_CHECKING:
    from gan_probe.studies.separation.result import SeparationResult

FIRST_INIT, PIXELS = Source(True, RANDOM_INIT, "0"), Source(True, BASELINE, "pixels")
N_NAMED = 3
INTERPRETED = ("class named by the score alone", "linear probe", "linear probe, 5 labels a class")


def sentences(analysis: SeparationResult) -> list[str]:
    """Return some sentences: the margin over the controls first, losses as plainly as wins."""
    return [
        *_margin_sentences(analysis),
        _separation_sentence(analysis),
        *_control_sentences(analysis),
        *_remaining_sentences(analysis),
        *_information_sentences(analysis),
        *_direction_sentences(analysis),
        *_factor_sentences(analysis),
        *_cluster_sentences(analysis),
        _certainty_sentence(analysis),
    ]


def _margin_sentences(analysis: SeparationResult) -> list[str]:
    """Say for each measure whether the critic is ahead of its best control."""
    known = {e.measure: e for e in analysis.margins if e.best_control}
    return [_margin_sentence(known[name]) for name in INTERPRETED if name in known]


def _margin_sentence(e: Margin) -> str:
    what = {
        "class named by the score alone": "The score alone names the class of",
        "linear probe": "A linear probe on the critic's embedding names the class of",
        "linear probe, 5 labels a class": "With five labels a class the embedding names the class of",
    }[e.measure]
    verdict = {
        "ahead": "so the training added something",
        "behind": "so the critic loses to a control",
        "not to be told apart": "so the critic is not to be told from that control",
    }[e.verdict]
    return (
        f"{what} {e.value:.1%} of the images ({e.ci_low:.1%} to {e.ci_high:.1%}; always the largest class"
        f" {e.chance:.0%}), the best control ({title_of(e.best_control)}) {e.control:.1%}: margin"
        f" {100 * e.margin:+.1f} points ({100 * e.margin_low:+.1f} to {100 * e.margin_high:+.1f}), {verdict}."
    )


def _separation_sentence(analysis: SeparationResult) -> str:
    n, total = n_separated(analysis.critic_pairs), len(analysis.pairs)
    missed = [p for p in analysis.closest() if not p.separated]
    over = f", mean of {analysis.n_runs} trainings" if analysis.n_runs > 1 else ""
    text = (
        f"The critic's score separates {n} of {total} pairs of classes (AUROC >= 0.99{over}, direction chosen from the"
        " data)."
    )
    if missed:
        named = "; ".join(f"{p.a} / {p.b} ({p.auroc:.2f})" for p in missed[:N_NAMED])
        more = f" and {len(missed) - N_NAMED} more" if len(missed) > N_NAMED else ""
        text += f" Not separated: {named}{more}."
    return text


def _than(critic: float, control: float) -> str:
    return "fewer than" if critic > control else "as many as" if critic == control else "more than"


def _control_sentences(analysis: SeparationResult) -> list[str]:
    """Say what the controls separate, in one line; when the critic does not beat them, say that too."""
    n = n_separated(analysis.critic_pairs)
    parts, rivals = [], []
    random_init = analysis.random_init_counts()
    if random_init:
        middle = statistics.median(random_init)
        rivals.append(middle)
        parts.append(
            f"Randomly initialised critics of the same architecture separate {middle:g} (median of {len(random_init)}"
            f" seeds, from {min(random_init)} to {max(random_init)}): {_than(n, middle)} the trained one."
        )
    best = analysis.best_statistic()
    if best:
        name, count = best
        rivals.append(count)
        parts.append(
            f"The best image statistic, {name.replace('_', ' ')}, separates {count}: {_than(n, count)} the critic."
        )
    if rivals and max(rivals) >= n:
        parts.append(
            "So on this data the critic's scalar score does not beat its controls: these separations do not show that"
            " the training taught it anything."
        )
    return [" ".join(parts)] if parts else []


def _remaining_sentences(analysis: SeparationResult) -> list[str]:
    if not analysis.remaining:
        return []
    n, before = n_separated(analysis.remaining), n_separated(analysis.critic_pairs)
    return [
        f"With image statistics regressed out of the score, {n} of {len(analysis.pairs)} pairs stay"
        f" separated ({before} before)."
    ]


def _information_sentences(analysis: SeparationResult) -> list[str]:
    found = analysis.information
    if found is None:
        return []
    text = (
        f"The score tells {found.bits:.2f} of {found.of_bits:.2f} bits of the class ({found.ci_low:.2f} to"
        f" {found.ci_high:.2f})"
    )
    if found.controls:
        best = max(found.controls, key=lambda name: found.controls[name])
        text += f"; the best control ({title_of(best)}) {found.controls[best]:.2f}"
    return [f"{text}."]


def _direction_sentences(analysis: SeparationResult) -> list[str]:
    """Say whether unseen classes score above seen ones: a critic that does that is no detector of the unseen."""
    if "seen" not in analysis.classes or analysis.classes["seen"].nunique() < 2:
        return []
    seen = analysis.classes[analysis.classes["seen"]]
    unseen = analysis.classes[~analysis.classes["seen"]]
    above = unseen.loc[unseen["mean"] > seen["mean"].min(), "label"].tolist()
    if above:
        lines = [
            f"{len(above)} of {len(unseen)} unseen classes score higher, on average, than a class of the training data"
            f" ({_named(above)}): a low score alone does not mean unseen."
        ]
    else:
        lines = [f"Every unseen class ({len(unseen)}) has a lower mean score than every class of the training data."]
    wrong = [d.label for d in analysis.detections if d.direction == "low" and d.is_reversed]
    if wrong:
        lines.append(
            f"The critic ranks {len(wrong)} of {len(unseen)} unseen classes above its own reals ({_named(wrong)};"
            " AUROC below 0.5, its 95 % interval too): for them its score points the wrong way."
        )
    return lines


def _named(names: Sequence[str]) -> str:
    return f"{', '.join(names[:N_NAMED])}{', ...' if len(names) > N_NAMED else ''}"


def _factor_sentences(analysis: SeparationResult) -> list[str]:
    shares = analysis.shares.get(CRITIC_SCORE)
    if not shares:
        return []
    single = [s for s in shares if s.eta_squared == s.eta_squared][:N_NAMED]
    listed = ", ".join(f"{s.factor} {s.epsilon_squared:z.0%}" for s in single)
    return [f"Of the variance of the score each factor alone explains: {listed} (adjusted for chance; they overlap)."]


def _cluster_sentences(analysis: SeparationResult) -> list[str]:
    names = {
        CRITIC_SCORE: "the scores",
        CRITIC_ROWS: "the critic's embedding",
        FIRST_INIT: "embeddings of randomly initialised critics (median)",
        PIXELS: "raw pixels (PCA)",
    }
    values = {what: analysis.chosen_ari(what) for what in names}
    known = {what: value for what, value in values.items() if value is not None}
    if not known:
        return []
    listed = ", ".join(f"{names[what]} {value:.2f}" for what, value in known.items())
    text = (
        "Clusters found and chosen without labels (the stablest of three methods) agree with the classes as follows"
        f" (ARI; 1 = the same, 0 = chance): {listed}."
    )
    rivals = [known[what] for what in (FIRST_INIT, PIXELS) if what in known]
    if CRITIC_ROWS in known and rivals and max(rivals) >= known[CRITIC_ROWS]:
        text += " A control does as well as the critic's embedding or better."
    if analysis.ari_over_runs is not None:
        value, low, high = analysis.ari_over_runs
        text += (
            f" Over the {analysis.n_runs} trainings the critic's embedding has {value:.2f} ({low:.2f} to {high:.2f})."
        )
    return [text]


def _certainty_sentence(analysis: SeparationResult) -> str:
    smallest = int(analysis.classes["n"].min())
    n_certain = sum(p.certain for p in analysis.critic_pairs)
    over = (
        f" The intervals are over new images and new trainings, of which there are {analysis.n_runs}."
        if analysis.n_runs > 1
        else " The intervals are over new images; another training gives another critic: score with several and give"
        " all tables to one report."
    )
    return (
        f"How sure: {n_certain} of {len(analysis.pairs)} pairs are certain (95 % interval above 0.99). The smallest"
        f" class has {smallest} images; without any overlap it takes about 200 a class to be certain.{over}"
    )
