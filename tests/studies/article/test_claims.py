"""Every claim on scores whose truth is made: one world in which it holds, one in which it does not."""

import html
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from gan_probe.studies.article.claims import CLAIMS
from gan_probe.studies.article.result import NO, YES, ArticleResult
from gan_probe.studies.article.study import article
from tests.studies.article.made import AS_SAID, falling, make

FLAT = dict.fromkeys(AS_SAID, 0.0)
UNDECIDED = {"pictures"}
AGAINST_ANOTHER = "area"  # triangles are the smallest, and lie between the others

# By claim: the class means, or what else differs, of a training in which it does not hold.
AGAINST: dict[str, Mapping[str, object]] = {
    "seen types": {"means": AS_SAID | {"circle_0.85-_n0.03": -10.0}},
    "pairs": {"means": FLAT},
    "one exception": {"means": AS_SAID | {"triangle_0.7-_n0.03": 5.0}},
    "noise is hardest": {"means": AS_SAID | {"square_0.7+_n0.01": -60.0, "circle_0.85-_n0.01": 60.0}},
    "squares by noise": {"means": AS_SAID | {"square_0.7+_n0.01": -10.0}},
    "squares leftmost": {"means": {name: -mean for name, mean in AS_SAID.items()}},
    "circles by noise": {"means": AS_SAID | {"circle_0.85-_n0.01": 40.0}},
    "triangles apart": {"means": AS_SAID | {"triangle_0.85+_n0.03": 8.0}},
    "triangles between": {"means": AS_SAID | {"triangle_0.85+_n0.03": 30.0}},
    "triangles by colour": {"means": AS_SAID | {"triangle_0.85+_n0.03": 0.1}},
    "loss": {"losses": falling().assign(w_distance=5.0)},
    "jump": {"losses": falling(jump=0.0)},
    "penalty": {"losses": falling().assign(penalty=np.linspace(0.1, 1, 3000))},
    "10 epochs": {"epochs": 10, "means": {name: 10.0 * ("0.85" in name) for name in AS_SAID}},
    "20 epochs": {"epochs": 20, "means": FLAT},
    "triangles high, 10": {"epochs": 10, "means": FLAT | {"square_0.7+_n0.03": 3.0}},
    "triangles high, 20": {"epochs": 20, "means": FLAT | {"square_0.7+_n0.03": 3.0}},
    "width": {"widths": (0.12, 0.3)},
    "area": {"means": {name: {"square": 1.0, "circle": -9.0, "triangle": 0.0}[name.partition("_")[0]]
                       for name in AS_SAID}},
    "colour": {"means": AS_SAID | {"circle_0.85-_n0.03": 0.0, "circle_0.85-_n0.01": 90.0, "circle_0.7-_n0.03": 9.0,
                                   "circle_0.7+_n0.03": 9.1}},
    "absolute scores": {},
    "relative scores": {},
}  # fmt: skip


def high_triangles(means: Mapping[str, float] = AS_SAID) -> dict[str, float]:
    return {name: mean + 30 * name.startswith("triangle") for name, mean in means.items()}


def moved(means: Mapping[str, float], by: float) -> dict[str, float]:
    """Return means elsewhere, with two circles the other way round."""
    swapped = dict(means) | {"circle_0.7+_n0.03": means["circle_0.7-_n0.03"],
                             "circle_0.7-_n0.03": means["circle_0.7+_n0.03"]}  # fmt: skip
    return {name: mean + by for name, mean in swapped.items()}


@pytest.fixture(scope="module")
def as_said(tmp_path_factory: pytest.TempPathFactory) -> ArticleResult:
    """Trainings of four lengths and two seeds in which everything that the article says is so."""
    out = tmp_path_factory.mktemp("article")
    for seed in range(2):
        by_shape = {name: mean / 20 for name, mean in AS_SAID.items()}
        make(out, 10, seed, means=high_triangles(by_shape))
        make(out, 20, seed, means=high_triangles())
        make(out, 100, seed)
        make(out, 200, seed, means=AS_SAID if seed == 0 else moved(AS_SAID, 50.0))
    return article(out, seeds=2)


def holds(result: ArticleResult) -> dict[str, str]:
    return {v.claim.name: v.holds for v in result.verdicts}


@pytest.mark.parametrize("name", [c.name for c in CLAIMS if c.name not in {*UNDECIDED, AGAINST_ANOTHER}])
def test_a_claim_holds_where_it_is_so(as_said: ArticleResult, name: str) -> None:
    assert holds(as_said)[name] == YES, [v.measured for v in as_said.verdicts if v.claim.name == name]


def test_area_sets_distances_where_shapes_lie_in_its_order(tmp_path: Path) -> None:
    by_area = {"square": 0.0, "circle": -10.0, "triangle": -25.0}
    make(tmp_path, means={name: by_area[name.partition("_")[0]] for name in AS_SAID})
    assert holds(article(tmp_path))["area"] == YES


@pytest.mark.parametrize("name", [c.name for c in CLAIMS if c.name not in UNDECIDED])
def test_a_claim_does_not_hold_where_it_is_not_so(tmp_path: Path, name: str) -> None:
    given = dict(AGAINST[name])
    epochs = int(str(given.pop("epochs", 200)))
    make(tmp_path, 10, means=given["means"] if epochs == 10 else AS_SAID)
    if epochs != 10:
        make(tmp_path, epochs, **given)
    make(tmp_path, epochs, 1, **given) if epochs == 200 else None
    assert holds(article(tmp_path, seeds=2))[name] == NO


def test_a_claim_that_holds_in_some_trainings_is_counted(tmp_path: Path) -> None:
    make(tmp_path, 200, 0)
    make(tmp_path, 200, 1, means=FLAT)
    result = article(tmp_path, seeds=2)
    assert holds(result)["seen types"] == "in 1 of 2 trainings"
    assert result.metrics().n_mixed > 0
    assert result.metrics().n_separated == 0


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    make(tmp_path, 20)
    result = article(tmp_path, epochs=(10, 20), seeds=2)
    assert result.missing() == ["10 epochs, seed 0", "10 epochs, seed 1", "20 epochs, seed 1"]
    assert "Not trained: 10 epochs, seed 0; 10 epochs, seed 1; 20 epochs, seed 1." in result.findings()
    assert holds(result)["10 epochs"] == "not measured: trainings of 10 epochs are missing"
    assert holds(result)["absolute scores"] == "not measured: needs trainings of two seeds"
    assert holds(result)["pictures"].startswith("not measured: look at the figures")


@pytest.mark.slow
def test_the_page_has_every_claim_and_every_figure(as_said: ArticleResult, tmp_path: Path) -> None:
    page = as_said.save(tmp_path / "report", title="x").read_text()
    for claim in CLAIMS:
        assert html.escape(claim.says, quote=False).replace("'", "&#39;") in page
    drawn = {p.stem for p in (tmp_path / "report" / "figures").glob("*.png")}
    assert drawn == {"pairs", "losses", "histogram", "closest", "lengths", "retrainings"}
    claims = pd.read_csv(tmp_path / "report" / "claims.csv")
    assert list(claims["name"]) == [c.name for c in CLAIMS]


def test_scores_are_as_the_counts_say(as_said: ArticleResult) -> None:
    longest = as_said.longest[0]
    unseparated = [key for key, pair in longest.pairs.items() if not pair.separated]
    assert unseparated == [frozenset(("triangle_0.7-_n0.01", "triangle_0.7-_n0.03"))]
    assert longest.n_separated == 44
    distances = as_said.distances().set_index(["seed", "a", "b"])["clipped"]
    expected = (AS_SAID["square_0.7+_n0.03"] - AS_SAID["triangle_0.7-_n0.01"]) / longest.spread
    found = distances[0, "square_0.7+_n0.03", "triangle_0.7-_n0.01"]
    assert found == pytest.approx(expected, rel=0.05)
