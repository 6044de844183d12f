"""Who passes images through critics: an engine, but for the exceptions that docs/architecture.md names."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import gan_probe

PACKAGE = Path(str(gan_probe.__file__)).parent
DIRECT = {"score", "embed", "forward", "forward_batch", "class_scores"}
# The room below the engines; the check of what a critic itself does; the width of a layer, from one image.
EXCEPTIONS = ("critics/", "scoring/engines.py", "studies/check/study.py", "studies/probe/study.py")


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
