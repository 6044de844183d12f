"""One name, one thing: what two modules define under one name is a protocol, or one of the two needs another name."""

import ast
from collections import defaultdict
from pathlib import Path

import gan_probe
import synthetic
from gan_probe.cli.app import VERBS

# A verb's function stands in `gan_probe.cli` and, where Python has it too, in the room that does it.
PROTOCOL = VERBS.keys() | {"__getattr__"}


def test_no_public_name_is_defined_twice() -> None:
    found = defaultdict(list)
    for package in (gan_probe, synthetic):
        root = Path(str(package.__file__)).parent
        for path in root.rglob("*.py"):
            for node in ast.parse(path.read_text(encoding="utf-8")).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                    found[node.name].append(path.relative_to(root.parent).as_posix())
    assert len(found) > 300
    twice = {name: paths for name, paths in found.items() if len(paths) > 1 and name not in PROTOCOL}
    assert twice == {}
    for name in PROTOCOL & found.keys():
        assert len(found[name]) <= 2, found[name]
