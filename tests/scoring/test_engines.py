"""Who passes images through critics: an engine, but for the exceptions that docs/architecture.md names."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

import gan_probe
from gan_probe.critics.critic import Critic
from gan_probe.images.image_set import ImageSet
from gan_probe.networks.compact import CompactCritic
from gan_probe.scoring.score import score
from gan_probe.studies.stability.study import stability

PACKAGE = Path(str(gan_probe.__file__)).parent
DIRECT = {"score", "embed", "forward", "forward_batch", "class_scores"}
# The room below the engines; the check of what a critic itself does; the width of a layer, from one image; gradients.
EXCEPTIONS = (
    "critics/",
    "scoring/engines.py",
    "studies/check/study.py",
    "studies/probe/study.py",
    "training/semi_supervised.py",
)


def direct_calls(path: Path) -> Iterator[str]:
    """What a module calls of critics, such as ``critic.score``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in DIRECT:
            of = ast.unparse(node.func.value).lower()
            if "critic" in of or of.endswith("member"):
                yield f"{of}.{node.func.attr}"


def test_everything_above_critics_asks_an_engine() -> None:
    found = {path.relative_to(PACKAGE).as_posix(): list(direct_calls(path)) for path in PACKAGE.rglob("*.py")}
    found = {name: calls for name, calls in found.items() if calls}
    assert {name: calls for name, calls in found.items() if not name.startswith(EXCEPTIONS)} == {}
    for name in EXCEPTIONS:
        assert any(calls for place, calls in found.items() if place.startswith(name)), (
            f"{name} is no exception any more"
        )
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    assert all(f"`{name.removesuffix('.py').removesuffix('/study').rstrip('/')}`" in page for name in EXCEPTIONS)


@pytest.mark.parametrize("several", [False, True])
def test_every_image_passes_every_network_once(several: bool, runs: list[Path], few_set: ImageSet) -> None:
    seen: Counter[int] = Counter()
    networks: list[nn.Module] = []  # kept, so that no two have one id

    def count(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        if isinstance(module, nn.Conv2d) and module.out_channels == stem.out_channels and len(given[0]):
            networks.append(module)
            seen[id(module)] += len(given[0])

    critics = {run.name: Critic.load(run) for run in (runs if several else runs[:1])}
    first = next(iter(critics.values())).module
    assert isinstance(first, CompactCritic)
    stem = first.stem
    watching = register_module_forward_pre_hook(count)
    try:
        stability(critics, few_set, controls=False) if several else score(critics[runs[0].name], few_set)
    finally:
        watching.remove()
    # three trained ones; or one and three randomly initialised, which show their layers with one image first
    expected = [len(few_set)] * 3 if several else [len(few_set), *[len(few_set) + 1] * 3]
    assert sorted(seen.values()) == expected
