import subprocess
import sys

import pytest

from gan_probe.cli.app import VERBS, _command
from gan_probe.cli.words import WORDS
from gan_probe.config import AUTO
from gan_probe.critics.attribution import BASELINES, METHODS
from gan_probe.critics.ensemble import ALIGNMENTS
from gan_probe.critics.features import POOLINGS
from gan_probe.critics.sampling import FORMATS as SAMPLED
from gan_probe.networks import NETWORKS
from gan_probe.scoring.engines import ENGINES
from gan_probe.studies.probe.result import CLASSIFIERS
from gan_probe.studies.separation.projection import PROJECTIONS
from gan_probe.training.runs.events import LOGS
from synthetic.writer import FORMATS as WRITTEN

KNOWN = {
    "pooling": (AUTO, *POOLINGS),
    "score engine": ENGINES,
    "train network": NETWORKS,
    "train log": LOGS,
    "explain method": (*METHODS, "both"),
    "explain baseline": BASELINES,
    "report projection": PROJECTIONS,
    "probe classifiers": CLASSIFIERS,
    "ensemble alignment": ALIGNMENTS,
    "sample format": SAMPLED,
    "synth format": WRITTEN,
}


@pytest.mark.parametrize("name", KNOWN)
def test_words_are_those_that_are_known(name: str) -> None:
    assert set(WORDS[name]) == set(KNOWN[name])


def test_words_belong_to_parameters_that_are_there() -> None:
    params = {f"{verb} {param.name}" for verb in VERBS for param in _command(verb).params}
    for name in WORDS:
        assert any(param == name or param.endswith(f" {name}") for param in params), name


def test_a_shell_is_told_and_waits_for_no_torch() -> None:
    code = (
        "import sys\nsys.argv = ['gan-probe']\n"
        "try:\n    from gan_probe.cli import main; main()\nexcept SystemExit: pass\n"
        "print('torch' in sys.modules)"
    )
    asked = {"_GAN_PROBE_COMPLETE": "complete_bash", "COMP_WORDS": "gan-probe train --network comp", "COMP_CWORD": "3"}
    environment = {"PYTHONPATH": ":".join(filter(None, sys.path)), **asked}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.split() == ["compact", "compact-half", "False"]
