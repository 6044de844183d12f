import numpy as np
import pandas as pd
import pytest

from gan_probe.errors import InputError
from gan_probe.scoring.table import CRITIC_ROWS, CRITIC_SCORE, ScoreTable
from gan_probe.stats.auroc import n_separated
from gan_probe.studies.separation import analysis
from gan_probe.studies.separation.analysis import analyse


def table(critic: np.ndarray, seen: list[bool] | None = None, **controls: np.ndarray) -> ScoreTable:
    labels = np.repeat(["a", "b", "c"], 20)
    frame = pd.DataFrame({"critic_score": critic.astype(np.float32), "label": labels})
    for name, values in controls.items():
        frame[f"control.{name.replace('__', '.')}"] = values
    if seen:
        frame["seen"] = np.repeat(seen, 20)
    return ScoreTable(frame, {})


STEPS = np.repeat([0.0, 1.0, 2.0], 20) + np.linspace(0, 0.5, 60)
NOISE = np.random.default_rng(0).normal(size=60)


def test_of_many_images_it_is_said_how_many_things_are_fitted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = table(STEPS)
    rows = np.stack([STEPS, NOISE], axis=1).astype(np.float32)
    embedded = ScoreTable(scores.table.assign(**{"embedding.critic": list(rows)}), {})
    said = "probes of embeddings, clusters and shares of factors are fitted on 45 of the 60 images."
    assert said not in analyse(embedded, clusters=False).warnings
    monkeypatch.setattr(analysis, "MAX_FITTED", 45)
    assert said in analyse(embedded, clusters=False).warnings
    assert said not in analyse(scores, clusters=False).warnings


def test_a_critic_that_beats_its_controls_is_said_to() -> None:
    lines = analyse(table(STEPS, random_init__0=NOISE, brightness=NOISE), clusters=False).findings()
    text = " ".join(lines)
    assert lines[0].startswith("The score alone names the class of 100.0% of the images")
    assert "The training added +76.7 points" in lines[0]
    assert "It is useful: +76.7 points" in lines[0]
    assert "The critic's score separates 3 of 3 pairs" in text
    assert "separate 0 (median of 1 seeds, from 0 to 0): each fewer than the trained one" in text
    assert "brightness, separates 0: fewer than the critic" in text
    assert "need no critic" not in text


def test_a_critic_that_loses_to_a_control_is_said_to_in_plain_words() -> None:
    lines = analyse(table(NOISE, random_init__0=NOISE, brightness=STEPS), clusters=False).findings()
    text = " ".join(lines)
    assert "Nothing shows that the training added anything: +0.0 points" in lines[0]
    assert "The best control, brightness (100.0%), is of more use: -76.7 points" in lines[0]
    assert "The critic's score separates 0 of 3 pairs" in text
    assert "Not separated: " in text
    assert "brightness, separates 3: more than the critic" in text
    assert "lies within their range, so nothing shows that the training added a separation" in text


def test_what_the_training_added_and_whether_it_is_useful_are_two_answers() -> None:
    """A critic far above its random networks and far below a statistic: a gain, and no use."""
    half = np.where(np.arange(60) < 20, STEPS, STEPS[::-1].copy())
    (line, *_) = analyse(table(half, random_init__0=NOISE, brightness=STEPS), clusters=False).findings()
    assert "The training added +" in line
    assert "is of more use: -" in line


def test_without_randomly_initialised_critics_nothing_is_credited_to_the_training() -> None:
    lines = analyse(table(STEPS, brightness=NOISE), clusters=False).findings()
    text = " ".join(lines)
    assert "What the training added cannot be known" in lines[0]
    assert "How many pairs the critic would separate without its training cannot be known" in text
    assert "raining added" not in text.replace("What the training added cannot be known", "")
    assert "Whether it is useful cannot be known" in analyse(table(STEPS), clusters=False).findings()[0]


def test_a_tie_with_a_control_is_no_win() -> None:
    lines = analyse(table(STEPS, brightness=STEPS), clusters=False).findings()
    assert "Nothing shows that it is of more use than the best control, brightness (100.0%): +0.0 points" in lines[0]
    assert any("as many as the critic, so these separations need no critic" in line for line in lines)


def test_unseen_classes_that_score_high_are_named() -> None:
    wrong = analyse(table(STEPS, seen=[True, False, True]), clusters=False).findings()
    right = analyse(table(STEPS, seen=[False, False, True]), clusters=False).findings()
    constant = analyse(table(np.zeros(60), seen=[False, True, True]), clusters=False).findings()
    assert any("1 of 1 unseen classes score as high" in line and "(b)" in line for line in wrong)
    assert any("Every unseen class (2) has a lower mean score" in line for line in right)
    assert not any("lower mean score" in line or "score as high" in line for line in constant)


def test_of_several_trainings_it_is_said_what_is_of_the_first() -> None:
    runs = [ScoreTable(table(scores).table.assign(sample_id=[f"{n:02d}" for n in range(60)]), {"critic_hash": name})
            for name, scores in (("x", STEPS), ("y", STEPS + 0.1 * NOISE))]  # fmt: skip
    text = " ".join(analyse(runs[0], runs[1:], clusters=False).findings())
    assert "Accuracies and pairs are means over 2 trainings" in text
    assert "All else is of the first training, its intervals over new images." in text


def test_parts_that_cannot_be_done_are_noted_not_silent() -> None:
    analysis = analyse(table(np.zeros(60), odd=np.full(60, np.nan)))
    text = " ".join(analysis.warnings)
    assert "control odd holds values that are not finite" in text
    assert "clusters of critic_score: left out, all rows are equal" in text
    assert "no embeddings" in text
    assert "no controls" in text


def test_the_hardest_pairs_come_first() -> None:
    scores = np.r_[np.zeros(20), np.full(20, 1.0), np.full(20, 10.0)] + np.tile(np.linspace(0, 0.1, 20), 3)
    closest = analyse(table(scores)).closest()
    assert [{p.a, p.b} for p in closest] == [{"a", "b"}, {"b", "c"}, {"a", "c"}]


def test_classes_too_small_to_be_significant_are_said_to_be() -> None:
    frame = pd.DataFrame({"critic_score": np.arange(6.0), "label": list("aabbcc")})
    text = " ".join(analyse(ScoreTable(frame, {}), clusters=False).findings())
    assert "With 2 images in the smallest class it cannot be known which pairs are separated" in text
    assert "cannot be known which" not in " ".join(analyse(table(STEPS), clusters=False).findings())


def test_scores_without_labels_or_classes_are_refused() -> None:
    scores = table(STEPS)
    with pytest.raises(InputError, match="have no labels, so there are no classes to separate"):
        analyse(ScoreTable(scores.table.drop(columns="label"), {}))
    with pytest.raises(InputError, match="at least two classes"):
        analyse(ScoreTable(scores.table.assign(label="a"), {}))


def test_what_brightness_explains_is_gone_when_brightness_is_regressed_out() -> None:
    shape = np.tile([0.0, 0.4], 30) + np.random.default_rng(1).normal(size=60) / 100
    followed = analyse(table(3 * STEPS + 2, brightness=STEPS), clusters=False)
    free = analyse(table(np.repeat([0.0, 5.0, 1.0], 20) + shape, brightness=shape), clusters=False)
    assert (n_separated(followed.critic_pairs), n_separated(followed.remaining)) == (3, 0)
    assert (n_separated(free.critic_pairs), n_separated(free.remaining)) == (3, 3)
    assert "0 of 3 pairs stay separated (3 before)" in " ".join(followed.findings())


def test_a_critic_that_ranks_the_unknown_above_its_own_reals_is_told_so() -> None:
    wrong = " ".join(analyse(table(-STEPS, seen=[False, False, True]), clusters=False).findings())
    right = " ".join(analyse(table(STEPS, seen=[False, False, True]), clusters=False).findings())
    assert "ranks 2 of 2 unseen classes above its own reals (a, b;" in wrong
    assert "points the wrong way" in wrong
    assert "points the wrong way" not in right


def test_several_trainings_widen_the_interval_and_other_orders_are_counted() -> None:
    labels = np.repeat(["a", "b", "c"], 20)
    frame = pd.DataFrame({"critic_score": STEPS, "label": labels, "control.brightness": NOISE})
    flipped = frame.assign(critic_score=np.where(labels == "a", STEPS + 9, STEPS))
    one = analyse(ScoreTable(frame, {}), clusters=False)
    three = analyse(ScoreTable(frame, {}), [ScoreTable(frame, {}), ScoreTable(flipped, {})], clusters=False)
    by_names = {frozenset((p.a, p.b)): p for p in three.critic_pairs}
    assert three.n_runs == 3
    assert by_names[frozenset("ab")].flips == pytest.approx(1 / 3)
    assert by_names[frozenset("ab")].auroc == pytest.approx(2 / 3)
    assert by_names[frozenset("bc")].flips == 0
    pair = next(p for p in one.critic_pairs if {p.a, p.b} == set("ab"))
    assert by_names[frozenset("ab")].ci_high - by_names[frozenset("ab")].ci_low > pair.ci_high - pair.ci_low
    assert "mean of 3 trainings" in " ".join(three.findings())


def test_a_factor_with_missing_values_is_left_out_and_the_others_stay() -> None:
    whole = table(STEPS, brightness=NOISE)
    shape, size = np.tile(["round", "square"], 30), np.where(np.arange(60) < 3, np.nan, np.arange(60) % 4)
    scores = ScoreTable(whole.table.assign(**{"factor.shape": shape, "factor.size": size}), {})
    analysis = analyse(scores, clusters=False)
    assert "factor.size has missing values; the factor was left out." in analysis.warnings
    assert [s.factor for s in analysis.shares[CRITIC_SCORE]] == ["shape"]


def test_constant_scores_are_said_to_tell_nothing() -> None:
    found = analyse(table(np.zeros(60)), clusters=False)
    assert any("every score is the same" in w for w in found.warnings)
    assert "what the critic's score tells of these classes cannot be known" in " ".join(found.findings())


def test_embeddings_that_say_nothing_are_left_out_and_named() -> None:
    whole = table(STEPS, brightness=NOISE)
    good = np.random.default_rng(2).normal(size=(60, 4)).astype(np.float32)
    bad = good.copy()
    bad[3, 1] = np.nan
    frame = whole.table.assign(**{"embedding.critic": list(good), "embedding.pixels": list(bad)})
    analysis = analyse(ScoreTable(frame.assign(**{"embedding.hog": list(np.ones((60, 3), np.float32))}), {}))
    assert "embedding.pixels holds values that are not finite; it was left out." in analysis.warnings
    assert "embedding.hog is the same for every image; it was left out." in analysis.warnings
    assert set(analysis.clusterings) == {CRITIC_SCORE, CRITIC_ROWS}


def test_images_without_a_label_are_counted_and_nested_factors_left_out() -> None:
    whole = table(STEPS, brightness=NOISE)
    nested = [np.array([1, 2])] * 60
    frame = whole.table.assign(label=["(no label)"] * 5 + whole.table["label"].tolist()[5:])
    frame["factor.list"], frame["factor.shape"] = nested, np.tile(["round", "square"], 30)
    warnings = analyse(ScoreTable(frame, {}), clusters=False).warnings
    assert "5 images have no label; they stand as a class of their own." in warnings
    assert "factor.list holds more than one value an image; the factor was left out." in warnings


@pytest.mark.slow
def test_clusters_over_trainings_have_an_interval_over_them() -> None:
    rng, groups = np.random.default_rng(3), np.repeat(np.eye(3), 20, axis=0)
    whole = table(STEPS, brightness=NOISE)
    runs = []
    for scale in (30.0, 30.0, 0.0):  # the third training groups nothing
        rows = (rng.normal(size=(60, 3)) + scale * groups).astype(np.float32)
        runs.append(ScoreTable(whole.table.assign(**{"embedding.critic": list(rows)}), {}))
    analysis = analyse(runs[0], runs[1:])
    assert analysis.ari_over_runs is not None
    value, low, high = analysis.ari_over_runs
    assert value == pytest.approx(2 / 3, abs=0.15)
    assert low < 0.3
    assert high > 0.9
    assert "Over the 3 trainings the clusters of the critic's embedding have an ARI of" in " ".join(analysis.findings())
    assert analyse(runs[0], clusters=False).ari_over_runs is None
