from pathlib import Path

import pytest

from synthetic import SpecError, load_spec, make_dataset
from synthetic.spec import spec_from_dict

GRID = """
per_class = 3
size_px = 32
sizing = "area"
seen = ["shape-ring_noise-0.01"]

[defaults]
base = 0.6
rotation_deg = { low = 0, high = 90 }
sign = [1, -1]

[grid]
shape = ["ring", "star"]
noise = [0.01, 0.05]

[[type]]
label = "mine"
shape = "cross"
texture = "checks"
"""


def test_a_toml_grid_is_every_combination_and_the_types_written_out(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_text(GRID)
    data = make_dataset(load_spec(path))
    assert data.spec.name == "grid"
    assert sorted(data.table["label"].unique()) == [
        "mine", "shape-ring_noise-0.01", "shape-ring_noise-0.05", "shape-star_noise-0.01", "shape-star_noise-0.05",
    ]  # fmt: skip
    assert data.images.shape == (15, 32, 32, 3)
    assert set(data.table.loc[data.table["seen"], "label"]) == {"shape-ring_noise-0.01"}
    assert data.table["factor.rotation_deg"].between(0, 90).all()
    assert data.table["factor.rotation_deg"].nunique() == 15
    assert set(data.table["factor.sign"]) == {1, -1}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({}, "has no types"),
        ({"grids": {}}, "unknown key 'grids'. Did you mean 'grid'"),
        ({"grid": {"shape": ["sqare"]}}, "unknown shape 'sqare'. Did you mean 'square'"),
        ({"grid": {"colour": [1]}}, "unknown factor 'colour'"),
        ({"grid": {"noise_kind": ["smoth"]}}, "unknown noise_kind 'smoth'. Did you mean 'smooth'"),
        ({"grid": {"occlusion": [0.7]}}, "factor 'occlusion': must be a number from 0 to 0.6, got 0.7"),
        ({"grid": {"noise": [0.1, 2]}}, "factor 'noise': must be a number from 0 to 1, got 2"),
        ({"grid": {"noise": []}}, "'noise' has no values"),
        ({"grid": [1]}, "'grid' must be a table"),
        ({"type": {"label": "x"}}, "'type' must be a list of tables"),
        ({"type": [{"label": "x", "sign": 0.5}]}, r"factor 'sign': must be \+1 or -1, got 0.5"),
        ({"type": [{"label": "x", "size": {"low": 0.5}}]}, "a range needs exactly the keys low and high"),
        ({"type": [{"label": "x", "size": {"low": 0.5, "high": 0.4}}]}, "low 0.5 is above high 0.4"),
        (
            {"type": [{"label": "x", "shape": {"low": 0, "high": 1}}]},
            "takes one value or a list of values, not a range",
        ),
        ({"type": [{"label": "x", "base": []}]}, "the list of values is empty"),
        ({"type": [{"label": "x"}, {"label": "x"}]}, "two types share the label 'x'"),
        ({"type": [{"label": "../x"}]}, "cannot name a folder"),
        ({"type": [{"label": "x"}], "seen": ["y"]}, "unknown label in 'seen' 'y'"),
        ({"type": [{"label": "x"}], "per_class": 0}, "per_class must be an integer of at least 1"),
        ({"type": [{"label": "x"}], "size_px": 4}, "size_px must be an integer from 8 to 1024"),
        ({"type": [{"label": "x"}], "sizing": "are"}, "unknown sizing 'are'. Did you mean 'area'"),
        ({"type": [{"label": "x"}], "overflow": "wrp"}, "unknown overflow 'wrp'. Did you mean 'wrap'"),
    ],
)
def test_every_mistake_in_a_spec_is_named(raw: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        spec_from_dict(raw, "x")


def test_an_old_key_is_read_and_not_beside_the_new_one() -> None:
    assert spec_from_dict({"type": [{"label": "x"}], "side_px": 16}, "x").size_px == 16
    with pytest.raises(SpecError, match="size_px is given twice, once by its old name side_px"):
        spec_from_dict({"type": [{"label": "x"}], "side_px": 16, "size_px": 16}, "x")


def test_files_that_are_no_spec_are_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="cannot read the spec .*missing.toml: No such file"):
        load_spec(tmp_path / "missing.toml")
    (tmp_path / "bad.toml").write_text("= 3")
    with pytest.raises(SpecError, match="bad.toml is not a TOML file"):
        load_spec(tmp_path / "bad.toml")


def test_seen_of_a_type_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text('name = "s"\n[[type]]\nshape = "circle"\nseen = "false"\n')
    with pytest.raises(SpecError, match="type 'type1': seen must be true or false, without quotes, got 'false'"):
        load_spec(tmp_path / "s.toml")
