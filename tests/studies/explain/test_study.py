from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError, InputError
from gan_probe.images.image_set import ImageSet, from_synthetic
from gan_probe.studies.explain.pointing import MEASURES
from gan_probe.studies.explain.result import (
    CHANCE,
    CHANGED,
    CORRELATION,
    CRITIC,
    CRITIC_RANDOM,
    EDGE,
    EVERYWHERE,
    IMAGE,
    MASK,
    RANDOM_CRITICS,
    RANDOM_RANDOM,
    ExplainResult,
    compare_maps,
)
from gan_probe.studies.explain.study import explain
from synthetic import Dataset, make_dataset
from tests.conftest import small_spec

FEW: dict[str, Any] = {"per_class": 2, "n_steps": 8, "patch_px": 8}


class Square(nn.Module):
    """Looks at a square in the middle only: pixels 12 to 20 of 32. Its weights cannot be drawn anew."""

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.full((), weight))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x[:, :, 12:20, 12:20].mean((1, 2, 3))


class Bent(nn.Module):
    """Scores that are no numbers, or whose slopes are none."""

    def __init__(self, *, breaks: bool) -> None:
        super().__init__()
        self.breaks, self.scale = breaks, nn.Linear(1, 1)

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean((1, 2, 3))
        return means / 0 if self.breaks else torch.where(means > 2, means, torch.sqrt(means * 0)) + 0 * means


@pytest.fixture(scope="module")
def shapes() -> Dataset:
    spec = small_spec("article-test", 3)
    return make_dataset(replace(spec, types=spec.types[:4]))


@pytest.fixture(scope="module")
def data(shapes: Dataset) -> ImageSet:
    return from_synthetic(shapes)


@pytest.fixture(scope="module")
def result(critic: Critic, data: ImageSet, shapes: Dataset) -> ExplainResult:
    return explain(critic, data, shapes.masks, **FEW)


def row_of(result: ExplainResult, *names: str) -> dict[str, Any]:
    row = result.number(*names)
    assert row is not None
    return row


def square_masks(n: int) -> np.ndarray:
    masks = np.zeros((n, 32, 32), dtype=bool)
    masks[:, 12:20, 12:20] = True
    return masks


def test_the_first_images_of_each_class_are_explained_in_units_of_their_scores(
    result: ExplainResult, critic: Critic, data: ImageSet, shapes: Dataset
) -> None:
    rows = data.table.groupby("label").head(2).index
    assert result.table["sample_id"].tolist() == data.table["sample_id"][rows].tolist()
    assert np.array_equal(result.images, data.images[rows])
    assert np.array_equal(result.masks, shapes.masks[rows])
    assert result.table["critic_score"].to_numpy() == pytest.approx(critic.score(result.images), rel=1e-5)
    sums = result.maps["gradients"][CRITIC][0].sum((1, 2))
    assert sums == pytest.approx(result.table["critic_score"] - result.table["baseline_score"], rel=0.2)
    assert set(result.maps) == {"occlusion", "gradients"}
    for maps in result.maps.values():
        assert {of: len(several) for of, several in maps.items()} == {CRITIC: 1, RANDOM_CRITICS: 3, IMAGE: 1}
    assert result.table["seen"].sum() == 4
    expected = {"per_class": 2, "baseline": "border", "patch_px": 8, "n_steps": 8}
    assert {name: result.provenance[name] for name in expected} == expected


def test_every_number_stands_beside_its_controls(result: ExplainResult) -> None:
    for method in ("occlusion", "gradients"):
        for region in (MASK, EDGE):
            for name in MEASURES:
                rows = {of: row_of(result, method, region, name, of) for of in (CRITIC, RANDOM_CRITICS, IMAGE, CHANCE)}
                assert all(0 <= row["ci_low"] <= row["value"] <= row["ci_high"] <= 1 for row in rows.values())
                lead = row_of(result, method, region, name, "critic - chance")
                assert lead["value"] == pytest.approx(rows[CRITIC]["value"] - rows[CHANCE]["value"])
        for region in (EVERYWHERE, CHANGED):
            assert result.number(method, region, CORRELATION, CRITIC_RANDOM)
            assert result.number(method, region, CORRELATION, RANDOM_RANDOM)
    assert result.number("occlusion", MASK, "pointing", "nobody") is None
    assert result.metrics().n_images == 8
    assert "gradients.edge.share.critic" in result.metrics().measures


def test_on_a_plain_ground_the_page_says_that_maps_cannot_miss(result: ExplainResult) -> None:
    assert row_of(result, "gradients", MASK, "share", CRITIC)["value"] == pytest.approx(1)
    line = next(line for line in result.findings() if line.startswith("Integrated gradients against the masks"))
    assert "nothing to be learned" in line
    assert "--baseline black" in line


def test_a_critic_that_looks_at_a_square_is_found_out(test_set: ImageSet) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), dtype=np.uint8)
    data = replace(test_set.take(np.arange(6)), images=noise)
    found = explain(Critic.from_module(Square(), (32, 32, 3)), data, square_masks(6), per_class=6)
    share, hits = found.numbers[found.numbers["of"] == CRITIC].set_index(["method", "region", "measure"])["value"].loc[
        [("gradients", MASK, "share"), ("gradients", MASK, "pointing")]
    ]  # fmt: skip
    assert (share, hits) == (1, 1)
    start = "against the masks, is it useful: beside the image alone and chance ahead in pointing, IoU, share; behind"
    assert any(start in line for line in found.findings())
    assert any("against the masks: what the training added cannot be known" in line for line in found.findings())
    assert any("no randomly initialised control" in w and "no reset_parameters" in w for w in found.warnings)
    assert CORRELATION not in set(found.numbers["measure"])


def test_a_constant_critic_is_called_flat_and_is_chance(test_set: ImageSet) -> None:
    masks = square_masks(len(test_set))
    found = explain(Critic.from_module(Square(0.0), (32, 32, 3)), test_set, masks, per_class=1)
    assert any("Occlusion: 10 of 10 maps are flat: nothing that was changed" in line for line in found.findings())
    for name in MEASURES:
        flat, chance = (row_of(found, "gradients", MASK, name, of) for of in (CRITIC, CHANCE))
        assert flat["value"] == pytest.approx(chance["value"])
    assert found.table["completeness_error"].tolist() == [0] * 10


def test_a_critic_that_is_its_own_control_fails_the_sanity_check(result: ExplainResult) -> None:
    own = result.maps["occlusion"][CRITIC]
    maps = {"occlusion": {CRITIC: own, RANDOM_CRITICS: [own[0], -2 * own[0]], IMAGE: result.maps["occlusion"][IMAGE]}}
    numbers = compare_maps(maps, None, np.ones(own[0].shape, dtype=bool))
    same = replace(result, maps=maps, numbers=numbers, masks=None)
    for region in (EVERYWHERE, CHANGED):
        assert row_of(same, "occlusion", region, CORRELATION, CRITIC_RANDOM)["value"] == pytest.approx(1)
    assert any("mostly the image, and not what the critic learned" in line for line in same.findings())


def test_the_verdict_follows_the_correlation(result: ExplainResult) -> None:
    rng = np.random.default_rng(0)
    own = rng.normal(size=(3, 32, 32))
    words = {1.0: "Middling", 10.0: "Low: these maps depend on the weights", 0.1: "High"}
    for noise, word in words.items():
        twins = [np.abs(own) + noise * np.abs(rng.normal(size=own.shape)) for _ in range(3)]
        maps = {"occlusion": {CRITIC: [own], RANDOM_CRITICS: twins, IMAGE: [own]}}
        numbers = compare_maps(maps, None, np.ones(own.shape, dtype=bool))
        table = result.table.iloc[:3]
        lines = replace(result, maps=maps, numbers=numbers, masks=None, table=table).findings()
        assert any(word in line for line in lines)


def test_unlabelled_images_are_one_group(critic: Critic, data: ImageSet) -> None:
    bare = replace(data, table=data.table[["sample_id", "path"]])
    found = explain(critic, bare, methods=["occlusion"], controls=False, per_class=3)
    assert found.labels.tolist() == ["images"] * 3
    assert found.masks is None
    assert any("Without masks it is not known where a map should lie" in line for line in found.findings())
    assert found.numbers.empty


def test_empty_masks_are_left_out_with_a_warning(critic: Critic, data: ImageSet, shapes: Dataset) -> None:
    masks = shapes.masks.copy()
    masks[0], masks[1] = False, True
    found = explain(critic, data, masks, controls=False, methods=["occlusion"], **{**FEW, "per_class": 3})
    assert "2 of 12 masks are empty or cover the whole image; their images are not measured." in found.warnings
    assert row_of(found, "occlusion", MASK, "pointing", CRITIC)["n"] == 10
    assert found.table["occlusion.mask.pointing"].isna().tolist() == [True, True] + [False] * 10
    none = explain(critic, data, masks & False, controls=False, methods=["occlusion"], **FEW)
    assert none.number("occlusion", MASK, "pointing", CRITIC) is None


def test_the_same_twice_is_the_same(critic: Critic, data: ImageSet, shapes: Dataset, result: ExplainResult) -> None:
    again = explain(critic, data, shapes.masks, **FEW)
    assert again.numbers.equals(result.numbers)
    assert np.array_equal(again.maps["gradients"][CRITIC][0], result.maps["gradients"][CRITIC][0])


def test_what_cannot_be_explained_is_refused(critic: Critic, data: ImageSet) -> None:
    with pytest.raises(ConfigError, match="unknown method 'occlude'.*occlusion"):
        explain(critic, data, methods=["occlude"])
    with pytest.raises(ConfigError, match="per_class must be at least 1, got 0"):
        explain(critic, data, per_class=0)
    with pytest.raises(InputError, match=r"the masks are \(4, 32, 32\), the images \(12, 32, 32\) .* Give one mask"):
        explain(critic, data, square_masks(4))
    with pytest.raises(InputError, match="holds no images to explain"):
        explain(critic, data.take(np.arange(0)))
    with pytest.raises(InputError, match="scores that are not finite numbers; its training diverged"):
        explain(Critic.from_module(Bent(breaks=True), (32, 32, 3), output="score"), data)
    with pytest.raises(InputError, match="gradients gives values that are not finite numbers: the critic is saturated"):
        explain(Critic.from_module(Bent(breaks=False), (32, 32, 3), output="score"), data, methods=["gradients"])
