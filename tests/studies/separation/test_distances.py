import numpy as np
import pandas as pd
import pytest

from gan_probe.errors import ConfigError, InputError
from gan_probe.studies.separation.distances import relative_distances

RNG = np.random.default_rng(0)
TABLE = pd.DataFrame(
    {
        "critic_score": np.r_[RNG.normal(0, 1, 400), RNG.normal(3, 2, 400), RNG.normal(-5, 1, 400)],
        "label": np.repeat(["b", "c", "a"], 400),
        "factor.noise": np.repeat([0.01, 0.02, 0.01], 400),
    }
)


def test_places_and_widths_are_in_units_of_the_reference() -> None:
    rows = relative_distances(TABLE, "b").set_index("label")
    assert rows["distance"].to_dict() == pytest.approx({"a": -5, "b": 0, "c": 3}, abs=0.3)
    assert rows["width"].to_dict() == pytest.approx({"a": 1, "b": 1, "c": 2}, abs=0.15)
    assert rows["noise"].to_dict() == {"a": 0.01, "b": 0.01, "c": 0.02}
    assert (rows.loc["b", ["ci_low", "ci_high"]] == 0).all()
    assert rows.loc["c", "ci_low"] < 3 < rows.loc["c", "ci_high"]


def test_shift_and_scale_cancel() -> None:
    other = TABLE.assign(critic_score=7 * TABLE["critic_score"] - 100)
    columns = ["distance", "ci_low", "ci_high", "width"]
    found, wanted = (relative_distances(t, "b")[columns].to_numpy() for t in (other, TABLE))
    assert found == pytest.approx(wanted)


def test_the_reference_is_the_first_seen_class_or_the_highest() -> None:
    assert relative_distances(TABLE)["distance"].max() == 0  # c scores highest
    seen = TABLE.assign(seen=TABLE["label"] == "a")
    assert relative_distances(seen).query("label == 'a'")["distance"].item() == 0


def test_what_has_no_unit_is_refused() -> None:
    with pytest.raises(ConfigError, match="reference class"):
        relative_distances(TABLE, "d")
    with pytest.raises(InputError, match="'b' has one score for all its images"):
        relative_distances(TABLE.assign(critic_score=TABLE["critic_score"].where(TABLE["label"] != "b", 0)), "b")
