from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gan_probe.critics.critic import Critic
from gan_probe.errors import ConfigError, InputError
from gan_probe.scoring.table import CRITIC_ROWS, CRITIC_SCORE, Source
from gan_probe.stats.beside import RANDOM_INIT
from gan_probe.studies.factors.responses import ALONE, AMONG, Response
from gan_probe.studies.factors.result import FactorsResult, single
from gan_probe.studies.factors.study import N_PARTS, factors, fitted, frozen, middle, questions, responses
from synthetic import PRESETS, Spec, SpecError, make_dataset
from synthetic.spec import Choice, Type, Uniform
from tests.conftest import VARIED
from tests.foreign import PatchGan

SHAPE = (32, 32, 3)


class By(nn.Module):
    """A critic that is a function of the pixels and has no weights."""

    def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)


class Weighted(nn.Module):
    """Brightness times a weight, which nothing can draw anew."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * brightness(x)


def critic_by(function: Callable[[Tensor], Tensor], shape: tuple[int, int, int] = SHAPE) -> Critic:
    return Critic.from_module(By(function), shape)


def brightness(x: Tensor) -> Tensor:
    return x.mean((1, 2, 3))


def centre(x: Tensor) -> Tensor:
    """The pixel in the middle, three channels."""
    return x[:, :, x.shape[2] // 2, x.shape[3] // 2].mean(1)


def corner(x: Tensor) -> Tensor:
    return x[:, :, 0, 0].mean(1)


def answers(critic: Critic, *only: str, n_bases: int = 40, spec: str = "factors") -> dict[tuple[str, str], Response]:
    found = responses(critic, fitted(spec, critic), only=only, controls=False, n_bases=n_bases)
    return {(r.setting, r.name): r for r in found}


def noticed(response: Response) -> float | None:
    assert response.noticed is not None
    return response.noticed.value


@pytest.fixture(scope="module")
def patches() -> Critic:
    torch.manual_seed(0)
    return Critic.from_module(PatchGan().eval(), SHAPE)


@pytest.fixture(scope="module")
def result(asked: FactorsResult) -> FactorsResult:
    return asked


# --- known answers ---


def test_mean_brightness_follows_colour_and_size_and_ignores_place_and_noise() -> None:
    found = factors(critic_by(brightness), per_class=40, n_bases=20)
    shares = {s.factor: s for s in single(found.shares[CRITIC_SCORE])}
    assert sum(shares[name].epsilon_squared for name in ("base", "size", "sign")) > 0.8
    assert min(shares["base"].epsilon_squared, shares["size"].epsilon_squared) > 0.2
    for name in ("x", "y", "noise", "shape"):
        assert shares[name].epsilon_squared < 0.05
    followed, ignored = found.findings()[:2]
    assert followed.startswith("What the score follows, as shares of its variance: ")
    ignored = ignored.removeprefix("Not to be told from none: ")
    assert "base" in followed
    assert "size" in followed
    assert "x" in ignored.rstrip(".").split(", ")
    by_name = {(r.setting, r.name): r for r in found.responses}
    assert noticed(by_name[AMONG, "rotation deg up"]) is None
    assert noticed(by_name[AMONG, "x up"]) is None
    assert noticed(by_name[AMONG, "size up"]) is not None
    assert noticed(by_name[ALONE, "base up"]) == 0.005


def test_the_just_noticeable_difference_of_one_pixel_is_that_of_its_noise() -> None:
    found = answers(critic_by(centre), "base", n_bases=400)
    # noise 0.04 / sqrt(3 channels): AUROC 0.75 at 0.954 of it = 0.022, 0.99 at 3.29 of it = 0.076
    for way in ("base up", "base down"):
        assert noticed(found[ALONE, way]) in (0.02, 0.03)
        separated = found[ALONE, way].separated
        assert separated is not None
        assert separated.value in (0.08, 0.12)
    assert found[ALONE, "base up"].noticed != found[AMONG, "base up"].noticed  # colours differ there


def test_one_pixel_does_not_see_where_the_shape_ends() -> None:
    found = answers(critic_by(centre), "size", "clutter", "background")
    assert noticed(found[ALONE, "size up"]) is None
    assert noticed(found[ALONE, "clutter up"]) is None
    assert found[ALONE, "background"].told == []


def test_a_critic_of_the_background_tells_backgrounds_and_nothing_else() -> None:
    warnings: list[str] = []
    critic = critic_by(corner)
    found = responses(critic, fitted("factors", critic), only=("background", "base"), n_bases=20, warn=warnings.append)
    by_name = {(r.setting, r.name): r for r in found}
    assert {"grey", "black"} <= set(by_name[ALONE, "background"].told)
    assert noticed(by_name[ALONE, "base up"]) is None
    assert any("the scores of all base images are the same in the sweeps of base up (alone), " in w for w in warnings)


def test_the_same_seed_gives_the_same_numbers_and_another_other_images(patches: Critic) -> None:
    spec = fitted("factors", patches)
    a, b, c = (responses(patches, spec, only=("noise",), controls=False, n_bases=20, seed=s) for s in (0, 0, 1))
    np.testing.assert_array_equal(a[0].critic.scores, b[0].critic.scores)
    assert not np.array_equal(a[0].critic.scores, c[0].critic.scores)


# --- what is asked ---


def test_the_first_value_is_the_middle_of_the_first_class() -> None:
    assert (middle(Uniform(0.0, 0.08)), middle(Choice((1, -1))), middle(0.7)) == (0.04, 1, 0.7)
    asked = {(q.setting, q.factor): q.swept for q in questions(PRESETS["article-test"])}  # the last way: downwards
    assert asked[ALONE, "noise"][0] == 0.03
    assert asked[ALONE, "noise"][-1] == 0.0  # and not below
    assert asked[AMONG, "base"][0] == 0.7
    assert asked[AMONG, "shape"][0] == "square"
    assert asked[AMONG, "sign"] == [1, -1]


def test_with_all_else_fixed_images_differ_in_their_noise_only() -> None:
    data = make_dataset(replace(frozen(PRESETS["factors"]), per_class=5, size_px=32))
    assert all(data.table[c].nunique() == 1 for c in data.table if c.startswith("factor."))
    assert data.table["sample_id"].nunique() == 5


def test_without_noise_nothing_is_swept_with_all_else_fixed(patches: Critic) -> None:
    spec = Spec("clean", (Type("a", {"noise": 0.0, "base": Uniform(0.2, 0.8)}),), size_px=32)
    assert {q.setting for q in questions(spec)} == {AMONG}
    warnings: list[str] = []
    responses(patches, spec, only=("x",), controls=False, n_bases=20, warn=warnings.append)
    assert warnings == [
        "nothing was swept with all else fixed: the first class has no noise, so its images are all alike."
    ]


# --- the whole ---


def test_everything_stands_beside_three_random_init_critics(result: FactorsResult) -> None:
    assert {s.factor for s in single(result.shares[CRITIC_SCORE])} == {"shape", "base", "size"}
    assert len(result.shares) == 2 * 4
    assert [p.measure for p in result.probes] == ["shape", "base", "size"]
    assert set(result.probes[0].controls) == {"random_init", "pixels", "hog", "kmeans_patches", "image statistics"}
    assert all(p.added is not None and p.added.value == pytest.approx(p.value - p.random_init) for p in result.probes)
    assert set(result.disentanglement) == {"critic", "random_init.0", "random_init.1", "random_init.2"}
    assert {len(r.random_init) for r in result.responses} == {3}
    (base,) = (s for s in result.random_init_shares(is_embedding=False) if s.factor == "base")
    each = [
        s.epsilon_squared
        for i in range(3)
        for s in result.shares[Source(False, RANDOM_INIT, str(i))]
        if s.factor == "base"
    ]
    assert (base.ci_low, base.ci_high) == (min(each), max(each))
    assert base.epsilon_squared == pytest.approx(np.mean(each))
    assert result.warnings == []


def test_each_part_reports_when_it_is_done(patches: Critic) -> None:
    told: list[str] = []
    factors(patches, per_class=10, n_bases=20, controls=False, on_step=told.append)
    assert len(told) == N_PARTS + len(questions(PRESETS["factors"]))
    assert told[:4] == ["scores", "shares", "probes", "disentanglement"]


def test_without_controls_nothing_is_compared(patches: Critic) -> None:
    found = factors(patches, per_class=10, n_bases=20, controls=False)
    assert list(found.shares) == [CRITIC_SCORE, CRITIC_ROWS]
    assert found.random_init_shares(is_embedding=False) == []
    assert [p.best_control for p in found.probes] == [""] * 7
    assert [p.added for p in found.probes] == [None] * 7
    assert {len(r.random_init) for r in found.responses} == {0}
    assert not any("random_init" in line for line in found.findings())
    text = " ".join(found.findings())
    assert "What the training added to the embedding cannot be known" in text
    assert "What the training did to these thresholds cannot be known" in text
    assert "What the training added: " not in text


def test_factors_that_go_together_give_a_warning_and_no_disentanglement(patches: Critic) -> None:
    found = factors(patches, spec="article-test", per_class=20, n_bases=20, controls=False)
    assert found.disentanglement == {}
    (warning,) = found.warnings
    assert warning.startswith("no disentanglement: factors are not independent in this data (")
    assert not any("DCI" in line for line in found.findings())


@pytest.mark.slow
def test_what_does_not_vary_is_not_explained_and_what_is_rare_not_probed(patches: Critic) -> None:
    rare = Choice((0.01,) * 19 + (0.05,))
    spec = Spec("few", (Type("a", {"noise": rare}), Type("b", {"noise": rare, "base": 0.4})), size_px=32)
    found = factors(patches, spec=spec, per_class=20, n_bases=20, controls=False)
    assert any(w.startswith("noise is not probed: its rarest level has ") for w in found.warnings)
    assert [p.measure for p in found.probes] == ["base"]
    one = factors(patches, spec=Spec("one", (Type("a", {}),)), per_class=20, n_bases=20, controls=False)
    assert any("no shares of critic_score: no factor varies in this data" in w for w in one.warnings)
    assert one.probes == []
    assert one.responses
    assert one.findings()[0].startswith("The smallest difference that the score notices with all else fixed")


def test_grey_critics_of_28_pixels_without_layers_or_random_inits_are_asked_too() -> None:
    found = factors(Critic.from_module(Weighted(), (28, 28, 1)), spec=VARIED, per_class=10, n_bases=20)
    assert "colour images were converted to grey for the critic." in found.warnings
    assert any("Weighted shows no layers" in w for w in found.warnings)
    assert any(w.startswith("no randomly initialised control: ") for w in found.warnings)
    assert found.provenance["images"] == 20
    assert (found.probes, found.disentanglement) == ([], {})
    assert {len(r.random_init) for r in found.responses} == {0}


def test_an_embedding_of_very_many_dimensions_is_not_taken_apart(patches: Critic) -> None:
    critic = Critic.from_module(PatchGan(80).eval(), SHAPE)
    wide = factors(critic, spec=VARIED, per_class=10, n_bases=20, controls=False, pooling="grid4")
    assert any("at most 1024, and this embedding has 1408" in w for w in wide.warnings)
    assert wide.disentanglement == {}


# --- bad input ---


def test_a_critic_that_says_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="gives all 60 images the same score, 0; it follows nothing"):
        factors(critic_by(lambda x: 0 * brightness(x)), per_class=10, n_bases=20)
    with pytest.raises(InputError, match="scores that are not finite numbers; its training diverged"):
        factors(critic_by(lambda x: brightness(x) * float("nan")), per_class=10, n_bases=20)


def test_scores_that_fail_on_changed_images_only_are_refused_too() -> None:
    broken = critic_by(lambda x: torch.where(corner(x) < -0.9, float("inf"), brightness(x)))
    with pytest.raises(InputError, match="not finite numbers on images with one factor changed"):
        responses(broken, fitted("factors", broken), only=("background",), controls=False, n_bases=20)


def test_images_must_be_square_and_at_least_8_pixels() -> None:
    with pytest.raises(InputError, match="are square, and this critic takes 32x16 pixels"):
        fitted("factors", critic_by(brightness, (32, 16, 3)))
    with pytest.raises(SpecError, match="size_px must be an integer from 8 to 1024, got 4"):
        fitted("factors", critic_by(brightness, (4, 4, 3)))


def test_unknown_presets_and_too_few_images_are_refused(patches: Critic) -> None:
    with pytest.raises(SpecError, match=r"unknown preset 'factor'. Did you mean 'factors'"):
        factors(patches, spec="factor")
    with pytest.raises(ConfigError, match="per_class must be at least 10 and n_bases at least 20, got 9 and 40"):
        factors(patches, per_class=9)
