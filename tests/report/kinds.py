"""One small made-up result of every page kind: what all pages promise is asked of each, without a training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from gan_probe.scoring.table import CRITIC_ROWS, CRITIC_SCORE, ScoreTable
from gan_probe.stats.beside import RANDOM_CRITICS
from gan_probe.stats.margin import SCORE_MEASURES, margins
from gan_probe.stats.variance import explained, levels
from gan_probe.studies.arithmetic.result import CONTROLS, RESULT, ArithmeticResult, Equation, draw_shares
from gan_probe.studies.article.result import ArticleResult
from gan_probe.studies.base import StudyResult
from gan_probe.studies.check.result import FAIL, NOTE, PASS, CheckResult, Finding
from gan_probe.studies.cluster.study import cluster_scores
from gan_probe.studies.comparison.study import comparison as compare
from gan_probe.studies.diagnose.result import DiagnoseResult, TrainingRecord
from gan_probe.studies.explain.result import CRITIC, IMAGE, ExplainResult, compare_maps
from gan_probe.studies.factors.responses import ALONE, AMONG
from gan_probe.studies.factors.result import FactorsResult
from gan_probe.studies.outliers.result import find
from gan_probe.studies.separation.analysis import analyse
from gan_probe.studies.unlabelled.study import unlabelled
from gan_probe.training.runs.folder import METRICS
from tests.report.test_factors import stepping
from tests.report.test_stability import made_up
from tests.studies.article.made import make
from tests.studies.ensemble.test_result import made_up as members_of
from tests.studies.probe.test_result import NOISE as ROWS
from tests.studies.probe.test_result import ONE_HOT, result_of, run
from tests.studies.separation.test_result import NOISE, STEPS, table
from tests.studies.trajectory.test_result import result as trajectory_of

RNG = np.random.default_rng(0)
FACTS = {"data_source": "/home/somebody/shapes", "critic_source": "/home/somebody/run/critic", "images": 60}


def separation(folder: Path) -> StudyResult:
    whole = table(STEPS, [True, True, False], random_init__0=NOISE, brightness=NOISE)
    rows = RNG.normal(size=(60, 4)).astype(np.float32) + np.repeat(np.eye(3, 4), 20, 0) * 20
    frame = whole.table.assign(path=[f"{n}.png" for n in range(60)], **{"embedding.critic": list(rows)})
    found = analyse(ScoreTable(frame, FACTS), clusters=False)
    pictures = list(RNG.integers(0, 256, (50, 16, 16, 3), dtype=np.uint8))
    return replace(found, provenance=FACTS, pictured=np.arange(50), pictures=pictures)


def comparison(folder: Path) -> StudyResult:
    def scored(critic: np.ndarray, name: str) -> ScoreTable:
        found = table(critic, random_init__0=NOISE, brightness=NOISE).table
        return ScoreTable(found.assign(sample_id=[f"{n:02d}" for n in range(60)]), {**FACTS, "critic_hash": name})

    return compare({"late": scored(STEPS, "x"), "early": scored(NOISE, "y"), "<b>": scored(NOISE[::-1], "z")})


def without_labels(folder: Path) -> StudyResult:
    rows = list(RNG.normal(size=(40, 4)).astype(np.float32))
    frame = pd.DataFrame({"critic_score": np.arange(40.0), "control.brightness": -np.arange(40.0),
                          "embedding.critic": rows})  # fmt: skip
    return unlabelled(ScoreTable(frame, FACTS))


def probe(folder: Path) -> StudyResult:
    return result_of(
        run({"critic": ONE_HOT, "pixels": ROWS}, classifiers=["linear"], n_draws=2, per_class=(5,)), ("pixels",)
    )


def factors(folder: Path) -> StudyResult:
    shapes = pd.DataFrame({"shape": np.repeat(["round", "square"], 30), "size": np.tile([0.2, 0.4], 30)})
    scores = np.repeat([0.0, 1.0], 30) + RNG.normal(size=60)
    coded = {name: levels(shapes[name]) for name in shapes}
    (probe_,) = margins(SCORE_MEASURES, [scores], {"pixels": (NOISE,)}, shapes["shape"].to_numpy())
    return FactorsResult(
        shares={CRITIC_SCORE: explained(scores[:, None], coded, shapes["shape"].to_numpy())},
        probes=[replace(probe_, measure="shape")], disentanglement={},
        responses=[stepping("size", ALONE, 1.0), stepping("size", AMONG, 0.1)], n_bases=60, provenance=FACTS,
        warnings=["noise is not probed."],
    )  # fmt: skip


def stability(folder: Path) -> StudyResult:
    return made_up(3)


def trajectory(folder: Path) -> StudyResult:
    labels, sheets = np.repeat(["a", "b", "c"], 12), {}
    for step in (0, 5, 10):
        sheets[step] = folder / f"{step}.png"
        Image.fromarray(RNG.integers(0, 256, (32, 48, 3), dtype=np.uint8)).save(sheets[step])
    scores = np.stack([RNG.normal(size=36) + way * np.repeat([0, 1, 2], 12) for way in (0, 4, 9)])
    controls = {"brightness": (RNG.normal(size=36),)}
    (at_end,) = margins(SCORE_MEASURES, [scores[-1]], controls, labels)
    found = trajectory_of(scores, labels, statistics={"brightness": 0}, at_end=at_end)
    return replace(found, sheets=sheets)


def ensemble(folder: Path) -> StudyResult:
    return members_of()


def explain(folder: Path) -> StudyResult:
    images = RNG.integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    masks = np.zeros((6, 16, 16), dtype=bool)
    masks[:, 4:12, 4:12] = True
    own = [RNG.normal(size=(6, 16, 16)) + 3 * masks]
    maps = {"occlusion": {CRITIC: own, RANDOM_CRITICS: [RNG.normal(size=(6, 16, 16))] * 2,
                          IMAGE: [np.abs(RNG.normal(size=(6, 16, 16)))]}}  # fmt: skip
    frame = pd.DataFrame({"sample_id": list("abcdef"), "label": ["round", "square"] * 3, "critic_score": np.arange(6.0),
                          "flat.occlusion": False})  # fmt: skip
    numbers = compare_maps(maps, masks, np.ones_like(masks))
    return ExplainResult(
        images=images, masks=masks, maps=maps, numbers=numbers, table=frame, provenance=FACTS, warnings=[]
    )


def article(folder: Path) -> StudyResult:
    return ArticleResult(trainings=[make(folder, epochs, 0) for epochs in (10, 200)], wanted=(10, 200))


def arithmetic(folder: Path) -> StudyResult:
    pictures = {name: RNG.integers(0, 256, (8, 8, 8, 1), dtype=np.uint8) for name in ("a", "b", "c", RESULT)}
    called = {RESULT: ["d"] * 7 + ["c"], **{name: ["c"] * 8 for name in CONTROLS}}
    return ArithmeticResult(
        equation=Equation("a", "b", "c", "d"), shares=draw_shares(called, "d"), pictures=pictures,
        called=called[RESULT], walks=RNG.integers(0, 256, (2, 5, 8, 8, 1), dtype=np.uint8), jumps=[0.3, 0.4],
        classifier_accuracy=0.9, sizes={"draws": 8, "tested on": 20}, provenance=FACTS,
    )  # fmt: skip


def diagnose(folder: Path) -> StudyResult:
    metrics = pd.DataFrame({name: np.linspace(0.1, 1, 30) for name in METRICS}).assign(step=np.arange(1, 31))
    record = TrainingRecord(
        settings={"objective": "wasserstein", "steps": 30}, facts={"run_id": "x"}, metrics=metrics, sheets={},
        diagnosis=["Nothing looks wrong."],
    )  # fmt: skip
    return DiagnoseResult(runs={"run": record}, provenance=FACTS)


def check(folder: Path) -> StudyResult:
    found = [Finding("sign", PASS, "higher is real"), Finding("batches", FAIL, "it depends", "call eval()"),
             Finding("devices", NOTE, "no GPU")]  # fmt: skip
    return CheckResult(checks=found, provenance=FACTS)


def cluster(folder: Path) -> StudyResult:
    rows = list((RNG.normal(size=(60, 4)) + np.repeat(np.eye(3, 4), 20, 0) * 20).astype(np.float32))
    return cluster_scores(ScoreTable(table(STEPS).table.assign(**{CRITIC_ROWS.column: rows}), FACTS))


def outliers(folder: Path) -> StudyResult:
    frame = pd.DataFrame({"critic_score": np.r_[RNG.normal(size=80), RNG.normal(size=20) - 4]})
    return find(frame, RNG.normal(size=100))


KINDS: dict[str, Callable[[Path], StudyResult]] = {
    kind.__name__: kind
    for kind in (
        separation, comparison, without_labels, probe, factors, stability, trajectory, explain, article, arithmetic,
        diagnose, check, cluster, outliers, ensemble,
    )
}  # fmt: skip
