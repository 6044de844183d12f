"""The Python and the commands of the pages run, their links lead somewhere, and the README is short."""

import ast
import re
import shlex
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gan_probe.cli import app

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", "CONTRIBUTING.md", *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]
README, STEPS = ((ROOT / page).read_text() for page in ("README.md", "docs/steps.md"))


@pytest.mark.parametrize("page", ["docs/steps.md", "docs/scikit-learn.md", "docs/bring-your-own.md"])
def test_the_python_of_the_pages_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, page, "exec"), {})


def test_the_readme_is_read_in_a_minute() -> None:
    assert len(README.split()) <= 600


def test_the_pictures_of_the_docs_are_of_pages_that_are_here() -> None:
    sys.path.insert(0, str(ROOT / "docs"))  # a script, in no package
    import screenshots

    assert {path.stem for path in screenshots.OUT.glob("*.png")} == set(screenshots.PICTURES)
    assert all((ROOT / picture.page).is_file() for picture in screenshots.PICTURES.values())


@pytest.mark.nightly
@pytest.mark.parametrize("page", [page for page in PAGES if "file_format: mystnb" in (ROOT / page).read_text()])
def test_the_notebooks_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cell by cell; the site runs it in a kernel. The last expression of a cell shows itself."""
    monkeypatch.chdir(tmp_path)
    cells = re.findall(r"```\{code-cell\} python\n(?::[^\n]*\n)*(.*?)```", (ROOT / page).read_text(), re.DOTALL)
    names: dict[str, object] = {}
    for cell in cells:
        *body, last = ast.parse(cell).body
        exec(compile(ast.Module(body, []), "notebook", "exec"), names)
        if isinstance(last, ast.Expr):
            shown = eval(compile(ast.Expression(last.value), "notebook", "eval"), names)
            assert len(getattr(shown, "_repr_html_", str)() or repr(shown)) > 2  # figures have one that says None
        else:
            exec(compile(ast.Module([last], []), "notebook", "exec"), names)
    assert len(cells) > 4
    assert (tmp_path / "run" / "critic").is_dir()


@pytest.mark.nightly
def test_the_commands_of_the_steps_run_on_a_small_scale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    small = {
        "jitter-train": ["--per-class", "50"],  # a tenth is held out, and outliers need ten
        "jitter-test": ["--per-class", "4"],
        "probe": ["--draws", "2", "--labels", "1", "--classifier", "linear"],
        "explain": ["--patch", "32", "--steps", "2"],
        "train": ["--steps", "1", "--set", "n_snapshots=1"],
        "score": ["--no-embeddings"],
    }
    lines = [line for line in STEPS.splitlines() if re.match(r"gan-probe \w", line)]
    assert len(lines) == 12
    for line in lines:
        words = shlex.split(line, comments=True)[1:]
        extra = [option for word in words for option in small.get(word, [])]
        result = CliRunner().invoke(app, words + extra)
        assert result.exit_code == 0, (line, result.stderr)


@pytest.mark.parametrize(
    "page", ["README.md", "CONTRIBUTING.md", *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md"))]
)
def test_links_within_the_project_lead_somewhere(page: str) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / page).read_text()):
        assert ((ROOT / page).parent / target).exists(), target
