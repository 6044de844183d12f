import hashlib
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthetic import PRESETS, SpecError, make_dataset
from synthetic.geometry import draw_masks
from synthetic.shapes import SHAPES
from synthetic.spec import Spec, Type


def one_type(per_class: int = 1, *, sizing: str = "extent", size_px: int = 64, **factors: object) -> Spec:
    return Spec("one", (Type("only", factors),), per_class=per_class, sizing=sizing, size_px=size_px)


@pytest.mark.parametrize("name", SHAPES)
def test_the_stated_area_is_the_drawn_area(name: str) -> None:
    columns = {"shape": [name], "size": [0.9], "rotation_deg": [0.0], "x": [0.0], "y": [0.0]}
    drawn = draw_masks(columns, 512, "extent").sum() / (0.9 * 512) ** 2
    assert drawn == pytest.approx(SHAPES[name].area, rel=0.01)


@pytest.mark.parametrize("name", SHAPES)
def test_sized_by_area_every_shape_fills_the_same_area(name: str) -> None:
    data = make_dataset(one_type(shape=name, size=0.4, sizing="area", size_px=256))
    assert data.masks.mean() == pytest.approx(0.16, rel=0.02)


@pytest.mark.parametrize("name", SHAPES)
def test_turning_a_shape_keeps_its_area(name: str) -> None:
    areas = [
        make_dataset(one_type(shape=name, size=0.5, rotation_deg=angle, size_px=256)).masks.sum()
        for angle in (0.0, 17.0, 45.0, 100.0)
    ]
    assert max(areas) / min(areas) < 1.03


def test_in_the_jitter_presets_shape_says_nothing_about_area() -> None:
    data = make_dataset("jitter-test", per_class=60)
    area = data.masks.mean((1, 2))
    shape = data.table["factor.shape"].to_numpy()
    expected = data.table["factor.size"].to_numpy() ** 2
    for name in ("square", "circle", "triangle"):
        assert (area[shape == name] / expected[shape == name]).mean() == pytest.approx(1.0, abs=0.01)


def test_jittered_shapes_stay_whole() -> None:
    masks = make_dataset("jitter-test", per_class=60).masks
    assert not masks[:, 0].any()
    assert not masks[:, -1].any()
    assert not masks[:, :, 0].any()
    assert not masks[:, :, -1].any()


def test_x_moves_right_and_y_moves_down() -> None:
    centred = make_dataset(one_type(size=0.2)).masks[0]
    moved = make_dataset(one_type(size=0.2, x=0.25, y=0.125)).masks[0]
    assert np.array_equal(np.roll(centred, (8, 16), (0, 1)), moved)


def test_rotation_is_counter_clockwise() -> None:
    apex = make_dataset(one_type(shape="triangle", size=0.5, rotation_deg=90.0)).masks[0]
    columns = np.flatnonzero(apex.any(0))
    heights = apex.sum(0)[columns]
    assert heights[0] < heights[-1]  # the point, once up, now looks left


def test_article_types_have_the_article_s_colours_and_noise() -> None:
    data = make_dataset("article-test", per_class=40)
    for label, channels in (("square_0.7+_n0.03", (0.7, 0.8, 0.9)), ("circle_0.85-_n0.01", (0.85, 0.75, 0.65))):
        rows = np.flatnonzero(data.table["label"] == label)
        noise = float(data.table["factor.noise"][rows[0]])
        pixels = np.concatenate([data.images[i][data.masks[i]] for i in rows]) / 255
        assert pixels.mean(0) == pytest.approx(channels, abs=0.001)
        assert pixels.std(0) == pytest.approx([noise] * 3, rel=0.02)  # rounding to 8 bits adds 0.7 % at 0.01


def test_noise_is_gaussian_and_independent_between_images_channels_and_pixels() -> None:
    data = make_dataset(one_type(40, base=0.5, sign=1, noise=0.1, size=1.0))
    z = (data.images.reshape(40, -1, 3) / 255 - [0.5, 0.6, 0.7]) / 0.1
    inside = np.abs(z[..., 0]) < 1
    assert inside.mean() == pytest.approx(math.erf(1 / math.sqrt(2)), abs=0.01)
    flat = z.reshape(40, -1)
    correlations = np.corrcoef(flat)[np.triu_indices(40, 1)]
    assert np.abs(correlations).max() < 5 / math.sqrt(flat.shape[1])
    assert abs(np.corrcoef(z[..., 0].ravel(), z[..., 1].ravel())[0, 1]) < 0.02
    assert abs(np.corrcoef(z[:, :-1, 0].ravel(), z[:, 1:, 0].ravel())[0, 1]) < 0.02


def test_colours_above_white_are_clipped_not_wrapped() -> None:
    data = make_dataset("article-test", per_class=4)
    rows = np.flatnonzero(data.table["label"] == "triangle_0.85+_n0.03")
    blue = np.concatenate([data.images[i][data.masks[i]][:, 2] for i in rows])
    assert blue.min() > 200
    assert (blue == 255).mean() > 0.8


def test_noise_lies_inside_the_shape_only() -> None:
    data = make_dataset("article-train", per_class=3)
    assert (data.images[~data.masks] == 255).all()


RANDOM_PRESETS = ("jitter-test", "textures", "equal-colour-test", "equal-noise-test", "occluded-test", "cluttered-test")


@given(st.lists(st.integers(0, 39), min_size=1, max_size=6, unique=True), st.sampled_from(RANDOM_PRESETS))
@settings(max_examples=25, deadline=None)
def test_image_i_is_the_same_in_whatever_company(indices: list[int], preset: str) -> None:
    whole = make_dataset(preset, per_class=10, seed=7)
    part = make_dataset(preset, per_class=10, seed=7, indices=indices)
    assert np.array_equal(whole.images[indices], part.images)
    assert whole.table.iloc[indices].reset_index(drop=True).equals(part.table)


def test_a_larger_data_set_begins_with_the_smaller_one() -> None:
    small, large = make_dataset("jitter-test", per_class=3), make_dataset("jitter-test", per_class=5)
    assert np.array_equal(small.images, large.images[: len(small.images)])


def test_another_seed_or_another_preset_shares_no_image() -> None:
    sets = [make_dataset("article-train", per_class=5), make_dataset("article-train", per_class=5, seed=1)]
    sets.append(make_dataset("article-test", per_class=5))
    ids = [set(s.table["sample_id"]) for s in sets]
    assert all(not a & b for i, a in enumerate(ids) for b in ids[:i])


# Images and masks of three images a class. Whoever changes one of these changes everybody's data.
AS_EVER = {
    "article-train": "3ed5e3d4ed70555a",
    "article-test": "c152a4e6c93b5c0a",
    "article-dev": "7b21713f1942502d",
    "jitter-train": "ced2a2ce376300d8",
    "jitter-test": "824814c028acfa69",
    "shapes": "53baf2b21d9ffcfe",
    "textures": "108e8c7ad2cd5a39",
}


@pytest.mark.parametrize("preset", AS_EVER)
def test_presets_stay_bit_for_bit_what_they_were(preset: str) -> None:
    data = make_dataset(preset, per_class=3)
    assert hashlib.sha256(data.images.tobytes() + data.masks.tobytes()).hexdigest()[:16] == AS_EVER[preset]


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_draws_what_its_table_says(preset: str) -> None:
    data = make_dataset(preset, per_class=2)
    assert data.images.shape == (2 * len(PRESETS[preset].types), 64, 64, 3)
    assert data.table["label"].nunique() == len(PRESETS[preset].types)
    assert data.masks.any((1, 2)).all()


def test_the_article_s_two_sets_are_as_large_as_the_article_s() -> None:
    assert PRESETS["article-train"].n_images == 600
    assert PRESETS["article-test"].n_images == 400
    assert make_dataset("article-test").table.groupby("label")["seen"].first().sum() == 2


def test_textures_and_backgrounds_change_what_they_should() -> None:
    plain = make_dataset(one_type(noise=0.0, texture="plain"))
    striped = make_dataset(one_type(noise=0.0, texture="stripes", texture_contrast=0.2))
    grey = make_dataset(one_type(noise=0.0, background="grey"))
    inside = plain.masks[0]
    assert striped.images[0][inside].std() > plain.images[0][inside].std() + 10
    assert np.array_equal(striped.images[0][~inside], plain.images[0][~inside])
    assert np.array_equal(grey.images[0][inside], plain.images[0][inside])
    assert set(grey.images[0][~inside].ravel()) == {128}


def test_unknown_presets_and_bad_seeds_are_named() -> None:
    with pytest.raises(SpecError, match="unknown preset 'artcle-test'. Did you mean 'article-test'"):
        make_dataset("artcle-test")
    with pytest.raises(SpecError, match="seed must be from 0"):
        make_dataset("article-test", seed=-1)
    with pytest.raises(SpecError, match="indices must be from 0 to 9, got 10 to 10"):
        make_dataset("article-test", per_class=1, indices=[10])
    with pytest.raises(SpecError, match="per_class must be an integer of at least 1, got 0"):
        make_dataset("article-test", per_class=0)


def test_levels_above_white_wrap_around_where_that_is_asked_for() -> None:
    light = {"base": 0.85, "sign": 1, "noise": 0.0}
    clipped = make_dataset(one_type(**light))
    wrapped = make_dataset(replace(one_type(**light), overflow="wrap"))
    inside = clipped.masks[0]
    assert (clipped.images[0][inside] == [217, 242, 255]).all()
    assert (wrapped.images[0][inside] == [217, 242, 268 - 256]).all()
    assert (clipped.images[0][~inside] == wrapped.images[0][~inside]).all()


def test_where_nothing_is_above_white_wrapping_changes_nothing() -> None:
    plain = one_type(base=0.5, noise=0.01)
    assert (make_dataset(plain).images == make_dataset(replace(plain, overflow="wrap")).images).all()
