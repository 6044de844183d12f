from typing import Any

import pytest

from gan_probe.cli.app import _command
from gan_probe.cli.options import check_gate, gate_names, parse_gate
from gan_probe.errors import ConfigError, GateError, InputError
from gan_probe.studies.arithmetic.metrics import ArithmeticMetrics
from gan_probe.studies.factors.metrics import FactorsMetrics

MEASURED: dict[str, Any] = {
    "n_probes": 4,
    "shares": {"colour": 0.4, "square_0.7+_n0.03": 0.1},
    "noticed": {"alone": {"noise up": 0.02, "size": None}},
    "disentanglement": None,
    "mean": float("nan"),
}
WITH_GATES = ("all", "arithmetic", "article", "check", "demo", "explain", "factors", "outliers", "probe", "report",
              "stability", "trajectory")  # fmt: skip


@pytest.mark.parametrize("verb", WITH_GATES)
def test_every_verb_that_measures_takes_gates(verb: str) -> None:
    (gate,) = (param for param in _command(verb).params if param.name == "fail_if")
    assert "Exit with 4 when this holds. Names: " in gate.help


@pytest.mark.parametrize("gate", ["shares.colour<0.5", "shares.square_0.7+_n0.03>0", "noticed.alone.noise up<=0.02"])
def test_gates_read_mappings_by_name(gate: str) -> None:
    parse_gate(gate, gate_names(FactorsMetrics))
    with pytest.raises(GateError, match="the gate .* holds"):
        check_gate(gate, MEASURED)


def test_a_gate_that_does_not_hold_is_silent() -> None:
    check_gate("shares.colour>0.5", MEASURED)


@pytest.mark.parametrize(
    ("gate", "message"),
    [
        ("shares.color<1", "shares has nothing of the name 'color'. Known: colour, square_0.7"),
        ("shares<1", "shares are several numbers; name one: shares.colour"),
        ("noticed.alone.size<1", "noticed.alone.size was not measured"),
        ("disentanglement.d<1", "disentanglement.d was not measured"),
        ("mean<1", "mean was not measured"),
    ],
)
def test_what_was_not_measured_passes_no_gate(gate: str, message: str) -> None:
    with pytest.raises(InputError) as refused:
        check_gate(gate, MEASURED)
    assert str(refused.value).startswith(message)


def test_names_are_known_before_the_work() -> None:
    names = gate_names(ArithmeticMetrics)
    assert {"classifier_accuracy", "shares.NAME"} <= set(names)
    for gate in ("accuracy<1", "share.x<1", "classifier_accuracy.x<1"):
        with pytest.raises(ConfigError, match="Names: classifier_accuracy, "):
            parse_gate(gate, names)
