from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gan_probe.errors import ConfigError, InputError
from gan_probe.stats import splits
from gan_probe.stats.splits import split_rows
from gan_probe.studies.probe.result import (
    CRITIC,
    Outcome,
    ProbeResult,
    draw_labels,
    label_counts,
    paired_margin,
    probe_rows,
)

RNG = np.random.default_rng(0)
LABELS = np.repeat(["a", "b", "c"], 100)
ONE_HOT = (LABELS[:, None] == np.array(["a", "b", "c"])).astype(np.float32)
NOISE = RNG.normal(size=(300, 8)).astype(np.float32)
SPLIT = split_rows(LABELS)


def run(rows: dict[str, np.ndarray], **options: object) -> list[Outcome]:
    def encoder(values: np.ndarray) -> Callable[[], np.ndarray]:
        return lambda: values

    return probe_rows(
        {name: encoder(values) for name, values in rows.items()},
        LABELS,
        SPLIT,
        **{"n_draws": 20, "per_class": (1, 5)} | options,
    )


def result_of(outcomes: list[Outcome], controls: tuple[str, ...]) -> ProbeResult:
    return ProbeResult(
        outcomes=outcomes,
        random_init=(),
        baselines=tuple(controls),
        layers=(),
        references=(),
        sizes={"classes": 3, "pool": 1, "validation": 1, "test": 1},
        provenance={},
        warnings=[],
    )


def test_parts_are_apart_and_hold_every_class() -> None:
    parts = [set(part.tolist()) for part in (SPLIT.pool, SPLIT.validation, SPLIT.test)]
    assert set.union(*parts) == set(range(300))
    assert sum(map(len, parts)) == 300
    assert all(set(LABELS[list(part)]) == {"a", "b", "c"} for part in parts)
    named = split_rows(LABELS, np.where(np.arange(300) % 3 == 0, "test", "train"))
    assert set(named.test) == set(range(0, 300, 3))
    three = split_rows(LABELS, np.array(["train", "val", "test"])[np.arange(300) % 3])
    assert set(three.validation) == set(range(1, 300, 3))
    spelt = split_rows(LABELS, np.array(["Training", "Valid", "TESTING"])[np.arange(300) % 3])
    assert [part.tolist() for part in (spelt.pool, spelt.validation, spelt.test)] == [
        part.tolist() for part in (three.pool, three.validation, three.test)
    ]
    assert len(split_rows(LABELS, max_pool=30).pool) == 30
    one_name = split_rows(LABELS, np.full(300, "test"))
    assert np.array_equal(one_name.test, SPLIT.test)


@pytest.mark.parametrize(
    ("labels", "splits", "message"),
    [
        (["a"] * 9, None, "at least two classes"),
        (["a"] * 9 + ["b"] * 3, None, "class 'b' has 3 images; a probe needs at least four"),
        (["a"] * 9 + ["b"] * 9, ["test"] * 9 + ["train"] * 9, "the test part has no image of class 'b'"),
        (["a", "b"] * 9, ["train"] * 2 + ["test"] * 16, "2 images are too few"),
    ],
)
def test_data_that_cannot_be_split_is_refused(labels: list[str], splits: list[str] | None, message: str) -> None:
    with pytest.raises(InputError, match=message):
        split_rows(np.array(labels), None if splits is None else np.array(splits))


def test_features_that_hold_the_class_get_everything_right_and_noise_gets_chance() -> None:
    for outcome in run({CRITIC: ONE_HOT, "noise": NOISE}):
        low, high = outcome.interval()
        if outcome.representation == CRITIC:
            assert outcome.accuracy() == 1
            assert low < 1 == high  # ninety test images cannot promise more
        else:
            assert low < 1 / 3 < high


def test_the_same_features_under_two_names_tie_exactly_at_every_number_of_labels() -> None:
    mixed = ONE_HOT + NOISE[:, :3]
    outcomes = run({CRITIC: mixed, "twin": mixed.copy()})
    for first, second in zip(outcomes[: len(outcomes) // 2], outcomes[len(outcomes) // 2 :], strict=True):
        found = paired_margin(first, second)
        assert found.value == 0
        assert found.ci_low < 0 < found.ci_high
        assert np.array_equal(first.by_image["all"], second.by_image["all"])


def test_scaling_and_rotating_the_features_changes_nothing() -> None:
    mixed = ONE_HOT + 0.5 * NOISE[:, :3]
    turn = np.linalg.qr(RNG.normal(size=(3, 3)))[0].astype(np.float32)
    plain, turned = run({CRITIC: mixed}), run({CRITIC: 7 * mixed @ turn})
    assert [o.accuracy() for o in plain] == pytest.approx([o.accuracy() for o in turned], abs=0.01)


def test_settings_are_chosen_without_the_test_images() -> None:
    mixed = ONE_HOT + NOISE[:, :3]
    spoilt = mixed.copy()
    spoilt[SPLIT.test] = 0
    assert [o.setting for o in run({CRITIC: mixed})] == [o.setting for o in run({CRITIC: spoilt})]


def test_all_labels_are_drawn_once() -> None:
    largest = max(label_counts(LABELS, SPLIT.pool))
    (outcome,) = run({CRITIC: ONE_HOT}, per_class=(largest,), classifiers=("linear",))
    assert (outcome.n_draws, outcome.n_labels) == (1, len(SPLIT.pool))
    drawn = draw_labels(LABELS, SPLIT.pool, 2, np.random.default_rng(0))
    assert len(set(drawn)) == 6
    assert set(drawn) <= set(SPLIT.pool)


def test_intervals_hold_what_they_promise() -> None:
    """Over 200 fresh test sets of known accuracy the interval holds it at least 93 % of the time."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        hard = rng.random(60) < 0.3  # images that most draws get wrong
        correct = rng.random((10, 60)) < np.where(hard, 0.2, 0.9)
        outcome = Outcome(
            "x", "linear", 1, 3, 10, "ridge 1", {"all": correct.mean(1)}, {"all": correct.mean(0)}
        )  # fmt: skip
        low, high = outcome.interval()
        held += low <= 0.3 * 0.2 + 0.7 * 0.9 <= high
    assert held >= 186


def test_seen_and_unseen_classes_are_told_apart() -> None:
    blind = ONE_HOT.copy()
    blind[LABELS == "c"] = NOISE[LABELS == "c", :3]  # nothing known of the unseen class
    outcomes = run({CRITIC: blind}, seen=np.isin(LABELS, ["a", "b"]), per_class=(5,), classifiers=("linear",))
    assert outcomes[0].accuracy("seen") > outcomes[0].accuracy("unseen") + 0.2
    table = result_of(outcomes, ()).table()
    assert table["classes"].tolist() == ["all", "seen", "unseen"]


def test_findings_say_when_a_control_wins_and_when_nothing_is_decided() -> None:
    outcomes = run({CRITIC: NOISE, "pixels": ONE_HOT, "twin": NOISE.copy()})
    behind = " ".join(result_of(outcomes, ("pixels", "twin")).findings())
    assert "The best control, pixels (100.0%), is of more use" in behind
    assert "behind it at 1, 5" in behind
    assert "What the training added cannot be known" in behind
    assert "ahead of randomly initialised critics" not in behind
    tied = " ".join(result_of(outcomes, ("twin",)).findings())
    assert "Nothing shows that it is of more use than the best control, twin" in tied
    assert "Whether it is useful cannot be known" in " ".join(result_of(outcomes, ()).findings())
    assert result_of(outcomes, ("pixels", "twin")).metrics().best_control == "pixels"


def test_a_gain_over_random_critics_and_a_loss_to_a_control_are_both_said() -> None:
    mixed = ONE_HOT + NOISE[:, :3]
    outcomes = run({CRITIC: mixed, "random_init.0": NOISE, "random_init.1": NOISE[::-1].copy(), "pixels": ONE_HOT})
    result = replace(result_of(outcomes, ("pixels",)), random_init=("random_init.0", "random_init.1"))
    found = result.advantage("linear")
    assert found.training is not None
    assert found.training.verdict == "ahead"
    assert found.use is not None
    assert found.use.verdict == "behind"
    (first, second, *_) = result.findings()
    assert "The training added +" in first
    assert "The best control, pixels (100.0%), is of more use: -" in first
    assert "ahead of randomly initialised critics at 1, 5; ahead of the best control at none" in second
    assert result.metrics().added_margin == pytest.approx(found.training.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classifiers": ("linea",)}, "Did you mean 'linear'"),
        ({"n_draws": 1}, "n_draws must be at least 2"),
        ({"per_class": (0,)}, "labels a class must be from 1"),
        ({"per_class": (5000,)}, "labels a class must be from 1 to 56"),
    ],
)
def test_settings_out_of_range_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        run({CRITIC: ONE_HOT}, **options)


def test_constant_features_give_chance_and_no_warning() -> None:
    (outcome,) = run({CRITIC: np.zeros_like(NOISE)}, per_class=(5,), classifiers=("linear",))
    assert outcome.accuracy() == pytest.approx(1 / 3)


def test_a_rare_class_survives_the_thinning_of_a_large_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(splits, "MAX_TEST", 100)
    labels = np.repeat(["a", "b", "rare"], [2000, 2000, 6])
    found = split_rows(labels, max_pool=200)
    assert set(labels[found.pool]) == set(labels[found.test]) == {"a", "b", "rare"}
    assert len(found.pool) < 210
    assert len(found.test) < 110
