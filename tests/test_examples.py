"""Every example runs as it is, and with a trained critic."""

import runpy
import sys
from pathlib import Path

import pytest

from gan_probe import TrainConfig, train
from gan_probe.images.image_set import from_synthetic
from synthetic import make_dataset

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.py"))
SAYS = {
    "choose_layers": "accuracy",
    "few_labels": "fine-tuned:",
    "find_clusters": "ARI",
    "find_outliers": "false alarms:",
    "mix_with_columns": "accuracy on ten classes",
}


@pytest.fixture(scope="module")
def critic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A critic of 64 pixel images, trained for two steps."""
    out = tmp_path_factory.mktemp("runs") / "run"
    data = from_synthetic(make_dataset("jitter-train", per_class=10))
    train(data, out, TrainConfig(steps=2, batch_size=4, n_snapshots=0))
    return out


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.stem)
def test_it_runs(
    example: Path, critic: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(example), str(critic)])
    runpy.run_path(str(example), run_name="__main__")
    assert SAYS[example.stem] in capsys.readouterr().out


def test_the_table_of_examples_names_each() -> None:
    page = (EXAMPLES[0].parent / "README.md").read_text()
    assert all(f"[{example.name}]" in page for example in EXAMPLES)
    assert set(SAYS) == {example.stem for example in EXAMPLES}
