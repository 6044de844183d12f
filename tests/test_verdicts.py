"""Every rule by which a sentence is said: a case in which it holds, and one in which it just does not."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from gan_probe.cli.all import AllFacts
from gan_probe.scoring.table import CRITIC_ROWS, CRITIC_SCORE, ScoreTable
from gan_probe.stats.beside import RANDOM_CRITICS, Difference
from gan_probe.stats.clustering import Agreement, Clustering
from gan_probe.stats.margin import Margin
from gan_probe.stats.variance import Share
from gan_probe.studies.advantage import Advantage
from gan_probe.studies.check.study import CHECKS, Told
from gan_probe.studies.comparison.result import SCORE, Column, ComparisonFacts, ComparisonResult, Contrast
from gan_probe.studies.ensemble.result import EnsembleFacts, EnsembleResult
from gan_probe.studies.explain.pointing import MEASURES as POINTING
from gan_probe.studies.explain.result import (
    CHANCE,
    CHANGED,
    CORRELATION,
    CRITIC,
    CRITIC_RANDOM,
    IMAGE,
    MASK,
    ExplainFacts,
    ExplainResult,
    TruthFacts,
)
from gan_probe.studies.factors.disentanglement import Disentanglement
from gan_probe.studies.factors.responses import ALONE, AMONG
from gan_probe.studies.factors.result import FactorsFacts
from gan_probe.studies.judgement import TOLERATED, Judged, judge
from gan_probe.studies.outliers.result import Novelty, OutlierFacts, call_novel, find
from gan_probe.studies.separation.analysis import analyse
from gan_probe.studies.separation.findings import FIRST_INIT, PIXELS, SeparationFacts
from gan_probe.studies.stability.result import Comparison, StabilityFacts
from gan_probe.studies.trajectory.result import TrajectoryFacts
from gan_probe.training.runs.diagnosis import TrainingCourse
from gan_probe.training.runs.folder import METRICS
from gan_probe.verdicts import Verdict, always, conclude
from tests.report.test_factors import bare, stepping
from tests.report.test_stability import made_up
from tests.studies.ensemble.test_result import made_up as members_of
from tests.studies.separation.test_result import NOISE, STEPS, table
from tests.studies.trajectory.test_result import result as course
from tests.studies.trajectory.test_result import scores_of

sys.path.insert(0, str(Path(__file__).parents[1] / "docs"))  # a script, in no package
import rooms as page

Cases = dict[str, tuple[Any, Any]]  # by verdict: a record of which it holds, and one of which it just does not
AHEAD, OPEN, BEHIND = Difference(0.1, 1e-9, 0.2), Difference(0.0, 0.0, 0.0), Difference(-0.1, -0.2, -1e-9)


def questions() -> Cases:
    found: Cases = {}
    kinds = {"training": ("added", "not shown", "took away"), "use": ("useful", "use not shown", "not useful")}
    kinds["both"] = ("knows more", "knowledge not shown", "disturbs")
    for what, (ahead, open_, behind) in kinds.items():
        prefix = "training " if what == "training" else ""
        of = {d: Advantage(**{what: d, "control": "hog", "best": 0.5, "beside": "hog"}) for d in (AHEAD, OPEN, BEHIND)}
        found |= {prefix + ahead: (of[AHEAD], of[OPEN]), prefix + open_: (of[OPEN], of[AHEAD])}
        found |= {prefix + behind: (of[BEHIND], of[OPEN])}
    found["training unknown"] = (Advantage(), Advantage(training=OPEN))
    found["use unknown"] = (Advantage(), Advantage(use=OPEN))
    return found


def verdict() -> Cases:
    """Levels as `judge` gives them: of the score's and the embedding's differences."""

    def use(*ahead: Difference) -> Judged:
        return judge({str(n): Advantage(use=d, control="hog") for n, d in enumerate(ahead)}).useful

    def gain(*added: Difference) -> Judged:
        return judge({str(n): Advantage(training=d) for n, d in enumerate(added)}).added

    near, far = Difference(0.0, 1e-9 - TOLERATED, 0.1), Difference(0.0, -TOLERATED, 0.1)
    return {
        "better": (use(BEHIND, AHEAD), use(BEHIND, near)),
        "as good": (use(far, near), use(far, BEHIND)),
        "worse": (use(BEHIND, BEHIND), use(BEHIND, near)),
        "use too uncertain": (use(BEHIND, far), use(BEHIND, near)),
        "use without a control": (use(), use(far)),
        "gained": (gain(BEHIND, AHEAD), gain(BEHIND, OPEN)),
        "gain not shown": (gain(BEHIND, OPEN), gain(AHEAD, OPEN)),
        "lost": (gain(BEHIND, BEHIND), gain(BEHIND, OPEN)),
        "gain unknown": (gain(), gain(OPEN)),
    }


def clustering(ari: float) -> list[Clustering]:
    agreement = {"ari": Agreement(ari, ari, ari)}
    return [Clustering("k-means", "silhouette", 3, agreement, 0.0, 1.0, np.zeros(60, dtype=int), is_chosen=True)]


def report() -> Cases:
    def of(critic: np.ndarray, seen: list[bool] | None = None, **controls: np.ndarray) -> SeparationFacts:
        return SeparationFacts(analyse(table(critic, seen, **controls), clusters=False))

    both = of(STEPS, random_init__0=NOISE, brightness=NOISE)
    same = of(STEPS, random_init__0=STEPS, brightness=STEPS)
    worse = of(NOISE, random_init__0=STEPS, brightness=STEPS)
    bare_ = of(STEPS)
    low = of(STEPS, [False, False, True])
    high = of(-STEPS, [False, False, True])
    whole = table(STEPS)
    with_factors = whole.table.assign(**{"factor.shape": np.repeat(["round", "square", "cross"], 20)})
    factors = SeparationFacts(analyse(ScoreTable(with_factors, {}), clusters=False))
    three = SeparationFacts(analyse(whole, [whole, whole], clusters=False))

    def clustered(own: float, other: float) -> SeparationFacts:
        found = {CRITIC_ROWS: clustering(own), FIRST_INIT: clustering(other), PIXELS: clustering(other)}
        return SeparationFacts(replace(bare_.analysis, clusterings=found))

    over_runs = SeparationFacts(replace(three.analysis, ari_over_runs=(0.5, 0.4, 0.6)))
    few, enough = (
        SeparationFacts(analyse(ScoreTable(whole.table.groupby("label").head(n), {}), clusters=False)) for n in (4, 5)
    )
    return {
        "constant scores": (of(np.zeros(60)), both),
        "too few images": (few, enough),  # 3 pairs: 2 / 70 * 3 = 0.086, 2 / 252 * 3 = 0.024
        "pairs, all separated": (both, worse),
        "pairs, some not separated": (worse, both),
        "pairs, training added": (both, same),
        "pairs, training not shown": (same, both),
        "pairs, training took away": (worse, same),
        "pairs, training unknown": (bare_, both),
        "pairs, useful": (both, same),
        "pairs, of no more use": (same, both),
        "pairs, of less use": (worse, same),
        "pairs without statistics": (both, bare_),
        "bits": (both, SeparationFacts(replace(bare_.analysis, information=None))),
        "seen unknown": (bare_, low),
        "unseen above seen": (high, low),
        "unseen below seen": (low, high),
        "wrong way": (high, low),
        "factors of the score": (factors, bare_),
        "clusters": (clustered(0.5, 0.5), bare_),
        "clusters, training added none": (clustered(0.5, 0.5), clustered(0.5, 0.49)),
        "clusters, of no more use": (clustered(0.5, 0.5), clustered(0.5, 0.49)),
        "clusters over trainings": (over_runs, three),
        "one training": (bare_, three),
        "several trainings": (three, bare_),
    }


def probe() -> Cases:
    def of(**result: object) -> SimpleNamespace:
        return SimpleNamespace(result=SimpleNamespace(**result))

    def game(found: Difference | None, auxiliary: str = "contrastive") -> SimpleNamespace:
        return SimpleNamespace(game=found, result=SimpleNamespace(auxiliary=auxiliary))

    return {
        "at each number of labels": (of(controls=("hog",)), of(controls=())),
        "reference": (of(references=("imagenet",)), of(references=())),
        "game added": (game(AHEAD), game(OPEN)),
        "game not shown": (game(OPEN), game(AHEAD)),
        "game took away": (game(BEHIND), game(OPEN)),
        "game not compared": (game(None), game(None, "")),
    }


def factors() -> Cases:
    def shared(epsilon: float, low: float, *more: Share) -> FactorsFacts:
        share = Share("base", epsilon, epsilon, low, epsilon + 0.1, epsilon)
        return FactorsFacts(replace(bare(), shares={CRITIC_SCORE: [share, *more]}))

    def joint(unique: float) -> FactorsFacts:
        return shared(0.3, 0.2, Share("base x size", float("nan"), float("nan"), 0, 0, unique))

    def probed(**more: object) -> FactorsFacts:
        margin = Margin("base", 0.6, 0.5, 0.7, "hog", 0.5, 0.1, 0.0, 0.2, 0.2, {"hog": 0.5})
        return FactorsFacts(replace(bare(), probes=[replace(margin, **more)]))

    def apart(*names: str) -> FactorsFacts:
        value = Disentanglement(0.5, 0.5, 0.5, 0.1)
        return FactorsFacts(replace(bare(), disentanglement=dict.fromkeys(names, value)))

    def swept(*responses: Any, random: bool = True) -> FactorsFacts:
        return FactorsFacts(
            bare(*(r if random else replace(r, noticed=replace(r.noticed, random_init=())) for r in responses))
        )

    nothing = FactorsFacts(bare())
    alone, among = stepping("noise", ALONE, 5.0), stepping("noise", AMONG, 5.0)
    flat = stepping("noise", ALONE, 0.0)
    named = replace(alone, setting=AMONG, direction="names", noticed=None, separated=None, swept=["a", "b", "c", "d"])
    untold = replace(flat, setting=AMONG, direction="names", noticed=None, separated=None, swept=["a", "b", "c", "d"])
    return {
        "score follows": (shared(0.05, 0.001), shared(0.049, 0.001)),
        "score follows nothing": (shared(0.049, 0.001), shared(0.05, 0.001)),
        "score ignores": (shared(0.01, 0.0), shared(0.01, 0.001)),
        "interactions": (joint(0.02), joint(0.019)),
        "noticed alone": (swept(alone), swept(among)),
        "noticed among others": (swept(among), swept(alone)),
        "not noticed": (swept(flat), swept(alone)),
        "training, thresholds": (swept(alone), nothing),
        "training, thresholds unknown": (swept(alone, random=False), swept(alone)),
        "names told": (swept(named), swept(untold)),
        "names not told": (swept(untold), swept(named)),
        "embedding says": (probed(), nothing),
        "training added to the embedding": (probed(added=OPEN), probed()),
        "training of the embedding unknown": (probed(), probed(added=OPEN)),
        "embedding useful": (probed(), probed(best_control="")),
        "embedding's use unknown": (probed(best_control=""), probed()),
        "disentanglement beside": (apart("critic", "random_init.0"), apart("critic")),
        "disentanglement alone": (apart("critic"), apart("critic", "random_init.0")),
    }


def explain() -> Cases:
    def result(
        numbers: dict[tuple[str, str, str], float], *, flat: bool = False, masks: bool = True, error: float = 0.0
    ):  # type: ignore[no-untyped-def]
        rows = [
            {"method": "gradients", "region": region, "measure": name, "of": of,
             "value": value, "ci_low": value, "ci_high": value, "n": 4}
            for (region, name, of), value in numbers.items()
        ]  # fmt: skip
        frame = pd.DataFrame({"flat.gradients": [flat] + [False] * 3, "completeness_error": [error] * 4})
        return ExplainResult(
            images=np.zeros((4, 8, 8, 3), np.uint8), masks=np.ones((4, 8, 8), bool) if masks else None,
            maps={"gradients": {}}, numbers=pd.DataFrame(rows, columns=["method", "region", "measure", "of", "value",
            "ci_low", "ci_high", "n"]), table=frame, provenance={}, warnings=[],
        )  # fmt: skip

    def truth(image: float = 0.5, *, random: bool = True, masks: bool = True) -> TruthFacts:
        others = [IMAGE, CHANCE, *([RANDOM_CRITICS] if random else [])] if masks else []
        numbers = {(MASK, name, of): image for name in POINTING for of in others}
        numbers |= {(MASK, name, f"{CRITIC} - {of}"): 0.1 for name in POINTING for of in others}
        return TruthFacts(result(numbers), "gradients", MASK)

    def alike(value: float) -> ExplainFacts:
        return ExplainFacts(result({(CHANGED, CORRELATION, CRITIC_RANDOM): value}), "gradients")

    plain = ExplainFacts(result({}), "gradients")
    return {
        "flat maps": (ExplainFacts(result({}, flat=True), "gradients"), plain),
        "nothing to be learned": (truth(0.991), truth(0.99)),
        "against the truth": (truth(0.99), truth(0.991)),
        "training added to maps": (truth(), truth(random=False)),
        "training of maps unknown": (truth(random=False), truth()),
        "maps useful": (truth(), truth(masks=False)),
        "maps show the image": (alike(0.7072), alike(0.707)),
        "maps show the image in part": (alike(0.707), alike(0.7072)),
        "maps depend on the weights": (alike(0.316), alike(0.317)),
        "truth unknown": (result({}, masks=False), result({})),
        "complete": (plain, ExplainFacts(result({}), "occlusion")),
        "not complete": (ExplainFacts(result({}, error=0.051), "gradients"), plain),
    }


def compared() -> Cases:
    def of(low: float) -> ComparisonFacts:
        up, down = Difference(0.1, low, 0.2), Difference(-0.1, -0.2, -low)
        margin = Margin("m", 0.9, 0.8, 1.0, "", 0.0, 0.0, 0.0, 0.0, 0.5, {})
        columns = [
            Column(name=name, scores=STEPS, margins={SCORE: replace(margin, value=v)}, n_separated=0)
            for name, v in (("a", 0.9), ("b", 0.8))
        ]
        contrasts = [
            Contrast(measure=SCORE, critic=a, other=b, difference=d) for a, b, d in (("a", "b", up), ("b", "a", down))
        ]
        found = ComparisonResult(columns=columns, contrasts=contrasts, table=pd.DataFrame(), n_pairs=3)
        return ComparisonFacts(found, SCORE)

    return {"ahead of all": (of(1e-9), of(0.0)), "none ahead of all": (of(0.0), of(1e-9))}


def agreement() -> Cases:
    base = made_up(3)
    found = next(one for one in base.levels if one.alignment == "affine")

    def of(low: float, high: float) -> StabilityFacts:
        level = replace(found, intervals={**found.intervals, "reproducible": (low, high)})
        return StabilityFacts(replace(base, levels=[level]))

    return {
        "The trainings agree": (of(0.9, 1.0), of(0.899, 1.0)),
        "The trainings do not agree": (of(0.0, 0.899), of(0.0, 0.9)),
        "Cannot say whether the trainings agree": (of(0.899, 0.9), of(0.9, 0.95)),
    }


def stability() -> Cases:
    base = made_up(3)
    whole = StabilityFacts(base)

    def beside(low: float, high: float) -> StabilityFacts:
        return StabilityFacts(replace(base, beside_random=Comparison(RANDOM_CRITICS, 0.5, 0.4, 0.1, low, high)))

    def against(low: float, high: float) -> Comparison:
        return Comparison("affine", 0.5, 0.4, 0.1, low, high)

    def level(low: float, value: float = 0.95) -> Any:
        found = next(one for one in base.levels if one.alignment == "affine")
        return replace(found, reproducible=value, intervals={**found.intervals, "reproducible": (low, 1.0)})

    def levels(low: float, value: float = 0.95) -> StabilityFacts:
        return StabilityFacts(replace(base, levels=[level(low, value)]))

    def out(low: float) -> StabilityFacts:
        return StabilityFacts(replace(base, others={"image statistics regressed out": [level(low)]}))

    flat = StabilityFacts(replace(base, levels=[replace(level(0.5), spearman_within=float("nan"))]))
    return {
        "within a class": (whole, flat),
        "nothing within a class": (flat, whole),
        "training added agreement": (beside(1e-9, 0.2), beside(0.0, 0.2)),
        "training's agreement not shown": (beside(0.0, 0.2), beside(1e-9, 0.2)),
        "training took agreement away": (beside(-0.2, -1e-9), beside(-0.2, 0.0)),
        "training's agreement unknown": (whole, beside(0.0, 0.2)),
        "reproducible beyond image statistics": (out(1e-9), out(0.0)),
        "reproducible beyond image statistics not shown": (out(0.0), out(1e-9)),
        "agree": (levels(0.9), levels(0.899)),
        "agree nowhere": (levels(0.899), levels(0.9)),
        "runs needed": (levels(0.5, 0.01), levels(0.0, 0.0)),
        "no number of runs is enough": (levels(0.0, 0.0), levels(0.5, 0.01)),
        "more reproducible than another training": (against(1e-9, 0.2), against(0.0, 0.2)),
        "less reproducible than another training": (against(-0.2, -1e-9), against(-0.2, 0.0)),
        "not shown more reproducible than another training": (against(0.0, 0.2), against(1e-9, 0.2)),
    }


def outliers() -> Cases:
    rng = np.random.default_rng(0)
    reals = rng.normal(size=200)

    def of(new: np.ndarray) -> OutlierFacts:
        frame = pd.DataFrame({"critic_score": np.r_[rng.normal(size=len(new)), new], "seen": True, "label": "real"})
        frame.loc[len(new) :, ["seen", "label"]] = False, "new"
        return OutlierFacts(find(frame.astype({"seen": bool}), reals))

    def extreme(n: int, n_reals: int) -> OutlierFacts:
        scores = np.r_[rng.uniform(-1, 1, 1000 - n), np.full(n, -99.0)]
        return OutlierFacts(find(pd.DataFrame({"critic_score": scores}), np.resize(rng.normal(size=200), n_reals)))

    def by_layers(shift: float, ahead: Difference = OPEN) -> OutlierFacts:
        frame = pd.DataFrame({"critic_score": 0.0, "seen": np.arange(200) < 100, "label": "real"})
        frame.loc[100:, "label"] = "new"
        unlike = rng.normal(size=200) + np.where(frame["seen"], 0.0, shift)
        used = Novelty(names=("nearest-mean",), title="nearest", n_fitted=100, how="named", over_score=ahead)
        return OutlierFacts(call_novel(frame, unlike, reals, novelty=used))

    below, above, nearly = of(rng.normal(-3, 1, 200)), of(rng.normal(3, 1, 200)), of(rng.normal(0.5, 0.5, 200))
    return {
        "called": (below, by_layers(0.0)),
        "called by detectors": (by_layers(0.0), below),
        "better than the score": (by_layers(1.0, AHEAD), by_layers(1.0, OPEN)),
        "worse than the score": (by_layers(1.0, BEHIND), by_layers(1.0, OPEN)),
        "not told by these detectors": (by_layers(-1.0), by_layers(0.0)),
        "too few held-out reals": (extreme(2, 998), extreme(2, 1000)),
        "seen called": (below, extreme(2, 998)),
        "unseen against seen": (below, extreme(2, 998)),
        "unseen unknown": (extreme(2, 998), below),
        "wrong way, two-sided helps": (above, nearly),
        "wrong way, two-sided does not help": (nearly, above),
    }


def trajectory() -> Cases:
    def of(n: int, random: list[int], statistic: int | None) -> TrajectoryFacts:
        by = {} if statistic is None else {"edge_density": statistic}
        return TrajectoryFacts(
            course(scores_of(0, n), random_init={str(i): c for i, c in enumerate(random)}, statistics=by)
        )

    return {
        "end, training added": (of(1, [0, 0], 0), of(1, [0, 1], 0)),
        "end, training not shown": (of(1, [0, 1], 0), of(1, [0, 0], 0)),
        "end, training took away": (of(0, [1, 1], 0), of(0, [0, 1], 0)),
        "end, training unknown": (of(1, [], 0), of(1, [0], 0)),
        "end, useful": (of(1, [0], 0), of(1, [0], 1)),
        "end, of no more use": (of(1, [0], 1), of(1, [0], 0)),
        "end, use unknown": (of(1, [], None), of(1, [], 0)),
        "ahead since": (of(1, [0], 0), of(1, [0], 1)),
    }


def subject(**measured: Any) -> SimpleNamespace:
    """What a check measured of a discriminator from elsewhere with which all is well."""
    up = Told(0.9, 0.8, 0.95)
    well = {
        "n_bad": 0, "scores": np.arange(3.0), "in_unit": False, "foreign": {"": None}, "returned": "a tensor",
        "unrest": 0.0, "by_company": 0.0, "refusal": "", "by_training": 0.0, "by_device": 0.0, "dead": "",
        "has_fakes": True, "above_nulls": {"blank": 0.95}, "direction": "up", "stated": (-1.0, 1.0),
        "plausible": {(-1.0, 1.0): up},
    }  # fmt: skip
    return SimpleNamespace(**{**well, **measured})


def check() -> Cases:
    stated, other = (-1.0, 1.0), (0.0, 1.0)
    up, down, neither = Told(0.9, 0.8, 0.95), Told(0.1, 0.05, 0.2), Told(0.5, 0.4, 0.6)
    well, restless, blind = subject(), subject(unrest=0.0011), subject(has_fakes=False, direction="")
    return {
        "not finite": (subject(n_bad=1), well),
        "constant": (subject(scores=np.zeros(3)), well),
        "like probabilities": (subject(in_unit=True), well),
        "ours": (subject(foreign={}), well),
        "without labels": (subject(returned="called without its 'y'"), well),
        "does not repeat": (restless, subject(unrest=0.001)),
        "company unknown": (restless, subject(unrest=0.001)),
        "depends on its batch": (subject(by_company=0.0011), subject(by_company=0.001)),
        "mode unknown": (restless, subject(unrest=0.001)),
        "does not run in train mode": (subject(refusal="no labels"), well),
        "modes differ": (subject(by_training=0.0011), subject(by_training=0.001)),
        "direction unknown, below nulls": (
            subject(has_fakes=False, above_nulls={"blank": 0.49}), subject(has_fakes=False, above_nulls={"blank": 0.5})
        ),
        "direction unknown": (blind, well),
        "points up": (well, subject(direction="")),
        "points down": (subject(direction="down"), subject(direction="")),
        "direction hangs on the range": (
            subject(direction="", plausible={stated: up, other: down}),
            subject(direction="", plausible={stated: up, other: neither}),
        ),
        "range of ours": (subject(foreign={}), well),
        "range waits": (blind, well),
        "another range": (subject(plausible={other: up}), subject(plausible={other: up, stated: up})),
        "range not shown": (subject(plausible={other: up, stated: up}), well),
        "no sign of novelty": (subject(above_nulls={"blank": 0.89}), subject(above_nulls={"blank": 0.9})),
        "dead": (subject(dead="body.0 (51%)"), well),
        "devices differ": (subject(by_device=0.051), subject(by_device=0.05)),
    }  # fmt: skip


def diagnose() -> Cases:
    def metrics(accuracy: float = 0.7, steps: int = 80, ratio: float = 1.0) -> pd.DataFrame:
        found = {name: [1.0] * 50 for name in METRICS} | {"critic_accuracy": [accuracy] * 50, "step": [steps] * 50}
        return pd.DataFrame(found | {"critic_gradient": [1.0] * 25 + [ratio] * 25})

    def of(accuracy: float = 0.7, steps: int = 80, ratio: float = 1.0, **last: object) -> TrainingCourse:
        good = {"step": steps, "distance": 1.0, "untrained_distance": 3.0, "told_apart": 0.6, "diversity": 0.9,
                "n_held_out": 1000, "training_preference": 0.5, "missing": [], "n_classes": 2, "n_covered": 1,
                "classifier_accuracy": 0.9}  # fmt: skip
        before = {**good, "step": 1, **{k: v for k, v in last.items() if k == "distance"}}
        return TrainingCourse(metrics(accuracy, steps, ratio), [before, {**good, **last}])

    def came(before: float, now: float) -> TrainingCourse:
        found = of(distance=now)
        return replace(found, health=[{**found.last, "step": 1, "distance": before}, found.last])

    unlike, like = of(distance=2.01), of(distance=1.99)
    alone = {"without_generator": True, "auxiliary": "rotation"}
    return {
        "no generator": (replace(of(), settings=alone), replace(of(), settings={"auxiliary": "rotation"})),
        "critic won": (of(0.98), of(0.979)),
        "critic reversed": (of(0.4), of(0.401)),
        "critic lost": (of(0.52), of(0.521)),
        "gradient vanished": (of(ratio=0.9e-3), of(ratio=1.1e-3)),
        "gradient grown": (of(ratio=1.1e3), of(ratio=0.9e3)),
        "samples unlike reals": (unlike, like),
        "modes missing": (of(missing=["b"]), of()),
        "mode collapse": (of(diversity=0.49), of(diversity=0.5)),
        "memorising": (of(training_preference=0.61), of(training_preference=0.6)),
        "still improving": (came(1.0, 0.89), came(1.0, 0.91)),
        "next: more steps": (of(steps=19_999, distance=2.01), of(steps=20_000, distance=2.01)),
        "next: more critic steps": (of(0.979, distance=2.01), of(0.98, distance=2.01)),
        "next: slower critic": (of(0.98, distance=2.01), of(0.979, distance=2.01)),
        "next: another way": (of(steps=20_000, distance=2.01), of(steps=19_999, distance=2.01)),
        "nothing recorded": (TrainingCourse(metrics()[:0], []), TrainingCourse(metrics(), [])),
        "samples unknown": (TrainingCourse(metrics(), []), of()),
        "no trouble": (of(), TrainingCourse(metrics(), [])),
    }


def members() -> Cases:
    base = members_of()
    given = {field.name: getattr(base, field.name) for field in fields(base)}

    def of(low: float, high: float) -> EnsembleFacts:
        return EnsembleFacts(_Members(**given, low=low, high=high))

    return {
        "Members agree": (of(0.501, 0.9), of(0.5, 0.9)),
        "Members do not agree": (of(0.1, 0.499), of(0.1, 0.5)),
        "Cannot say whether members agree": (of(0.5, 0.9), of(0.501, 0.9)),
        "Two members cannot tell": (of(np.nan, np.nan), of(0.5, 0.9)),
    }


@dataclass(frozen=True, kw_only=True)
class _Members(EnsembleResult):
    """Members whose agreement has an interval that is asked for."""

    low: float
    high: float

    @property
    def agreement(self) -> Difference:
        return Difference(0.5, self.low, self.high)


def ensemble() -> Cases:
    base = members_of()
    alone, none_turned = replace(base, random_init=base.random_init[:0]), replace(base, scales=np.ones(4))
    return {
        "agreement of untrained members": (EnsembleFacts(base), EnsembleFacts(alone)),
        "turned": (EnsembleFacts(base), EnsembleFacts(none_turned)),
    }


def last_line() -> Cases:
    failed, passed = (
        AllFacts(failed=names, leads=("It separates.",), check_page=Path("x")) for names in (("dead",), ())
    )
    return {"not fit to score": (failed, passed)}


ROOMS: dict[str, Callable[[], Cases]] = {
    "The three questions (report, probe, outliers)": questions,
    "The verdict (every page that asks of use)": verdict,
    "The verdict (stability)": agreement,
    "The verdict (ensemble)": members,
    "report --compare": compared,
    "report": report, "probe": probe, "factors": factors,
    "explain": explain, "stability": stability, "ensemble": ensemble, "outliers": outliers,
    "trajectory": trajectory, "check": check, "diagnose": diagnose,
    "demo": dict, "all": last_line,
}  # fmt: skip
OF_THE_MACHINE = {"no GPU"}  # what the machine decides, not a record


def rows(room: str) -> Iterator[Verdict[Any]]:
    for title, found in page.rooms().items():
        if title.split(":")[0] == room:
            yield from (row for row in found if row.holds is not always and row.name not in OF_THE_MACHINE)


def test_every_room_is_tested() -> None:
    assert {title.split(":")[0] for title in page.rooms()} == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_each_rule_holds_where_it_should_and_just_does_not_beside_it(room: str) -> None:
    cases, verdicts = ROOMS[room](), list(rows(room))
    assert {row.name for row in verdicts} == set(cases)
    assert len({row.name for row in verdicts}) == len(verdicts)
    for row in verdicts:
        holds, beside = cases[row.name]
        assert row.holds(holds), row.name
        assert not row.holds(beside), row.name
        if not isinstance(holds, SimpleNamespace):
            (said,) = conclude([row], holds)
            assert said.strip()
            assert "{" not in said


def test_without_a_gpu_it_is_said_that_there_is_none() -> None:
    (row,) = (row for row in CHECKS["devices"] if row.name == "no GPU")
    assert row.holds(subject()) == (not torch.cuda.is_available())  # type: ignore[arg-type]


def test_sentences_on_the_page_name_what_stands_in_them() -> None:
    assert page.in_words("{n:.1%} of {last[step]}, |map| {own.mig:.2f}") == "*n* of *last*, \\|map\\| *own*"
