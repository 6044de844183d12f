"""Write the pages that are generated, whole or in part: ``python docs/generate.py [--check]``.

To add a page: one function and one row in ``PAGES``.
"""

from __future__ import annotations

import ast
import json
import os
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from pathlib import Path

os.environ["COLUMNS"] = os.environ["TERMINAL_WIDTH"] = "100"
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "reports"))  # remake is a script, in no package
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "benchmarks"))  # so is the simulation of intervals

import interval_coverage
import remake
from rooms import in_words, rooms
from typer.main import get_command
from typer.testing import CliRunner

from gan_probe.cli import app
from gan_probe.config import PRESETS, TrainConfig
from gan_probe.images.readers.decode import MAX_PIXELS, ORIENTATION
from gan_probe.images.readers.folder import PASSED_OVER
from gan_probe.images.readers.formats import FORMATS
from gan_probe.images.readers.metadata import COLUMNS, METADATA
from gan_probe.images.readers.modes import RULES
from gan_probe.images.readers.reading import OPTIONS
from gan_probe.images.readers.table import READERS
from gan_probe.report.glossary import glossary
from gan_probe.verdicts import Ruling
from gan_probe.version import VERSION

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- written by docs/generate.py -->", "<!-- end of what docs/generate.py writes -->"
PACKAGES = ("gan_probe", "synthetic")
NAME_WIDTH = 26
INTRO = """\
# Commands

Written by `python docs/generate.py` from the commands' own help.

Results go to stdout, progress and warnings to stderr. `--json` prints one object
`{schema, command, status, outputs, metrics, warnings}`; `--dry-run` prints the plan. Nothing is overwritten without
`--overwrite`; of folders it replaces only those that gan-probe wrote.

| exit code | meaning |
|---|---|
| 0 | ok |
| 1 | a bug in gan-probe |
| 2 | usage |
| 3 | bad input or config; a training that diverged |
| 4 | a gate (`--fail-if`) failed; the output is kept |
| 5 | finished, some items skipped |
| 6 | an extra or a device is missing |
| 130, 143 | interrupted (SIGINT), ended (SIGTERM); trainings go on with `--resume` |

Where nobody reads stdout any longer (`gan-probe ... | head`), the work is done all the same, and the exit code is its.
Where stdout has no room (`> /dev/full`), the work is done too, and the exit code is 3.
"""

GALLERY = """\
# Gallery

Written by `python docs/generate.py` from the table in `reports/remake.py`, which holds the commands of every report.

`make gallery` remakes what needs no data from elsewhere and less than {quick} minutes a report: {names}.
`make gallery NAME="article factors"` makes the ones that are named, and `NAME=all` all of them.
Reports whose data is not given are left out, and a line says so.
`python reports/remake.py --dry-run NAME` prints a report's commands, and `--resume` goes on after a failure.

| report | made by | minutes on two cores |
|---|---|---|
{rows}

## What is not in git

Git keeps of each report `report.html`, which holds its figures, `report.json`, tables, and what README or docs show.
The other files of `figures/` (PNG and SVG) and the maps of `explain` are made by the command in the report's row.
It leaves them in `.gallery/reports/NAME/` ({places}), which git ignores.

## Data from elsewhere

{data}
"""

VERDICTS = """\
# What may be concluded

Written by `python docs/generate.py` from the rules in the code: a sentence is said where its rule holds, only there.
Words in italics stand for numbers and names.
`tests/test_verdicts.py` has a case in which each rule holds, and one in which it just does not.

Three questions are kept apart.
*What did the training add?* The critic minus randomly initialised critics of its architecture.
*Is it useful?* The critic minus its best control, which may need no network.
*What does it know that the control does not?* Both together minus the control alone.
Where a control is missing, the page says that the answer cannot be known.

Not listed is what has no rule: the lines of `cluster`, `arithmetic` and `trajectory` that read out numbers.
Nor are warnings of what was left out.

{rooms}
"""

COVERAGE = """\
# Coverage of intervals

Written by `python docs/generate.py` from the inventory in `benchmarks/interval_coverage.py`
and its [record](../../benchmarks/records/coverage.json).

**What is asked.** Every interval that a page prints is nominally one of 95 %.
Here each is made many times of data whose truth is known by construction, by the function that the page asks.
`make coverage` does it again: {repetitions:,} repetitions a cell.
The table says how many the record has.

**Rule.** A cell is outside when the 99 % interval of its own coverage lies below {least} or above {most}.
*Conservative* is an interval that is known to hold the truth more often, and why.
It promises only the lower bound: without any effect, and at a ceiling, little can be known.
*Assumption broken* is shown so that it is known, and promises nothing.
{outside}

**What the intervals do not say.**
Those over images of one training say nothing of another training: score several and give all tables to one report.
The best control is picked on the same images, which favours the control.
Accuracies in folds are of classifiers fitted on these images.

## Inventory

{inventory}

## Cells

{cells}
"""

WHAT_IS_READ = """\
# What is read

Written by `python docs/generate.py` from the tables in `gan_probe/images/readers/`: what is not here is refused.
Folders, Parquet files, streams, masks and `ImageLoader` go through one decoder.
Nothing is left out without a word: what is passed over is counted and named.
Where it may be images, the exit code is 5.
Suffixes count in any case of letters.

## Sources

{sources}

## Formats of pictures

What a file holds decides, not its name, and nothing but these formats is tried: no other program is ever started.
Others that Pillow knows are not read: EPS would start a program, and noise would pass for TGA, which has no signature.

{formats}

A picture may have up to {max_pixels:,} pixels, and so may all that are being decoded at a time.
The EXIF orientation (tag {orientation:#x}) is applied, and that is said.
Of several frames, pages or parts the first is read, and that is said.

## Pixels

The first row that applies is taken. Every conversion is told in a warning with the number of its images.

{pixels}

Masks are read in the same way; one that is transparent, has several frames or uses only the low bits of 16 is refused.

## Folders

{folders}

## Metadata

{metadata}, in this order, with `file_name` in each row. JSON lines hold one object a line.
`dataset.json` is that of StyleGAN's `dataset_tool`: its labels are read, and its folders are parts, no classes.
A CSV file is UTF-8 with commas.

{columns}

## Options

{options}
"""


def commands(_: str) -> str:
    """Return ``docs/commands.md``, whole."""
    parts = [INTRO]
    for name in get_command(app).commands:
        shown = CliRunner().invoke(app, [name, "--help"], prog_name="gan-probe").stdout
        lines = "\n".join(line.rstrip() for line in shown.strip().splitlines())
        parts.append(f"## gan-probe {name}\n\n```text\n{lines}\n```\n")
    return "\n".join([*parts, settings()])


def settings() -> str:
    """Return the training settings with their defaults, and what each recipe sets otherwise."""
    defaults = TrainConfig().as_dict()
    lines = [
        "## Training settings",
        "",
        "What `gan-probe train --set NAME=VALUE` takes, and `gan_probe.TrainConfig`.",
        "",
        "| setting | default (recipe `compact`) | accepts | meaning |",
        "|---|---|---|---|",
        *(
            f"| `{f.name}` | {f.default} | {TrainConfig.accepted(f.name)} | {f.metadata['help']} |"
            for f in fields(TrainConfig)
        ),
        "",
        "| recipe | what it sets otherwise |",
        "|---|---|",
    ]
    for name, recipe in PRESETS.items():
        changes = [f"{k} {v}" for k, v in recipe.as_dict().items() if v != defaults[k]]
        lines.append(f"| `{name}` | {', '.join(changes) or 'nothing'} |")
    return "\n".join(lines) + "\n"


def architecture(page: str) -> str:
    """Return ``docs/architecture.md`` with the tree of today."""
    order = {name: rank for rank, name in enumerate(layers())}
    lines = [line for package in PACKAGES for line in tree(ROOT / package, order)]
    return between(page, "\n".join(["```text", *lines, "```"]))


def gallery(_: str) -> str:
    """Return ``reports/README.md``, whole."""
    rows = []
    for row in remake.ROWS:
        data = f" {row.needs.upper()}={row.needs}.npz" if row.needs else ""
        made_by = f"`make gallery NAME={row.name}{data}`"
        rows.append(f"| [{row.name}]({row.name}/report.html): {row.shows} | {made_by} | {row.minutes} |")
    return GALLERY.format(
        quick=remake.QUICK_MINUTES,
        names=", ".join(f"`{name}`" for name in remake.GROUPS["quick"]),
        rows="\n".join(rows),
        places=", ".join(f"`{row.name}`: `{row.made.relative_to(ROOT)}/`" for row in remake.ROWS if row.page),
        data="\n".join(f"- `{name.upper()}`: {what}." for name, what in remake.EXTERNAL.items()),
    )


def gallery_of_site(_: str) -> str:
    """Return ``docs/gallery.md``, whole: each report of the gallery with a picture of it."""
    parts = []
    for row in remake.ROWS:
        folder = ROOT / "reports" / row.name
        kept = {name: folder / "figures" / f"{name}.png" for name in ("margins", "scores", "classes", "maps")}
        picture = next(
            (path for path in [*kept.values(), *sorted(folder.glob("figures/*.png"))] if path.is_file()), None
        )
        image = f"\n\n![{row.shows}](../{picture.relative_to(ROOT)})" if picture else ""
        parts.append(f"## {row.name}\n\n[{row.shows}](../reports/{row.name}/report.html){image}")
    return "\n\n".join(["# Gallery\n\nWritten by `python docs/generate.py` from `reports/remake.py`.", *parts]) + "\n"


def what_is_read(_: str) -> str:
    """Return ``docs/what-is-read.md``, whole."""
    sources = [(f"`{r.title}`" if r.title[0] == "." else r.title, r.images, r.labels, r.refused) for r in READERS]
    formats = [(row.name, ", ".join(row.suffixes), row.several or "none") for row in FORMATS]
    return WHAT_IS_READ.format(
        sources=table(("source", "images", "labels and columns", "refused"), sources),
        formats=table(("format", "names", "several pictures in one file"), formats),
        max_pixels=MAX_PIXELS,
        orientation=ORIENTATION,
        pixels=table(("pixels (Pillow's mode)", "what is done"), [(rule.pixels, rule.done) for rule in RULES]),
        folders=table(("in a folder of images", "what is done"), PASSED_OVER),
        metadata=", ".join(f"`{name}`" for name in METADATA),
        columns=table(("column", "how it is read"), COLUMNS),
        options=table(("option", "what it does"), OPTIONS),
    )


def verdicts(_: str) -> str:
    """Return ``docs/verdicts.md``, whole."""
    parts = []
    for title, rows in rooms().items():
        checks = any(isinstance(row, Ruling) for row in rows)
        head = ("verdict", "ruling", "when", "sentence", "what to do") if checks else ("verdict", "when", "sentence")
        lines = [
            (row.name, row.ruling, row.when, in_words(row.says), in_words(row.advice))
            if isinstance(row, Ruling)
            else (row.name, row.when, in_words(row.says))
            for row in rows
        ]
        parts.append(f"## {title}\n\n{table(head, lines)}")
    return VERDICTS.format(rooms="\n\n".join(parts))


def coverage(_: str) -> str:
    """Return ``docs/metrics/coverage.md``, whole."""
    measured = interval_coverage.read_record()
    n_wanted = sum(len(row.cells) for row in interval_coverage.INTERVALS)
    inventory = []
    for row in interval_coverage.INTERVALS:
        held = [cell["coverage"] for cell in measured if cell["interval"] == row.name and "broken" not in cell["note"]]
        seen = f"{min(held):.3f} to {max(held):.3f}" if held else "not measured"
        inventory.append((row.name, f"`gan_probe.{row.of}`", row.pages, row.over, str(len(row.cells)), seen))
    cells = [
        (
            cell["interval"],
            cell["cell"],
            f"{cell['repetitions']:,}",
            f"{cell['coverage']:.3f}",
            f"{cell['low']:.3f} to {cell['high']:.3f}",
            f"{cell['width']:.3g}",
            ", ".join(filter(None, ("**outside**" * cell["is_outside"], cell["note"]))),
        )
        for cell in measured
    ]
    n_outside = sum(cell["is_outside"] for cell in measured)
    return COVERAGE.format(
        repetitions=interval_coverage.REPETITIONS,
        least=interval_coverage.LEAST,
        most=interval_coverage.MOST,
        outside=f"{len(cells)} of {n_wanted} cells are in the record;"
        f" of these {n_outside or 'none'} {'is' if n_outside < 2 else 'are'} outside.",
        inventory=table(
            ("interval", "made by", "pages", "speaks of", "cells", "coverage, lowest and highest"), inventory
        ),
        cells=table(
            ("interval", "cell", "repetitions", "coverage", "its 99 % interval", "median width", "note"), cells
        ),
    )


def speeds(page: str) -> str:
    """Return ``docs/measured.md`` with the rows of every record that ``make bench`` left, float32 first."""
    records = [json.loads(path.read_text()) for path in sorted((ROOT / "benchmarks/records").glob("bench-*.json"))]
    names = list(dict.fromkeys(name for record in records for name in record["rows"]))
    rows = []
    for name in sorted(names, key=lambda name: "bf16" in name):
        found = [(record["features"], record["rows"][name]) for record in records if name in record["rows"]]
        times = [measured.get("cpu", measured.get("wall")) for _, measured in found]
        medians, every = [t["median"] for t in times], [value for t in times for value in (t["min"], t["max"])]
        by = "processor" if all("cpu" in measured for _, measured in found) else "clock"
        rows.append((name, span(medians), span(every), by, ", ".join(features for features, _ in found)))
    return between(page, table(("what", "median", "single values", "time of", "machines"), rows))


SURE = 3  # units that an interval is shown of
CONTROLS = {
    "random_init": "randomly initialised critics",
    "pixels": "pixels",
    "hog": "HOG",
    "kmeans_patches": "k-means patches",
}


def outliers(page: str) -> str:
    """Return ``docs/outliers.md`` with what ``benchmarks/novelty.py`` measured."""
    measured = json.loads((ROOT / "benchmarks/records/novelty.json").read_text())
    of, developed = measured["summary"], measured["development"]
    rows = [
        (
            name + "*" * (name in developed),
            f"{found['default']['n']}",
            sure(found["default"]),
            sure(found["minus score-low"], sign="+"),
            sure(found["minus random_init"], sign="+"),
            f"{CONTROLS[found['best control']]}: {sure(found['minus best control'], sign='+')}",
            "{1}: {0:.3f}".format(*max((v["mean"], peer) for peer, v in found["peers_on_layers"].items())),
            f"{found['false_alarms']['5%']['mean']:.1%}, {found['false_alarms']['1%']['mean']:.1%}",
        )
        for name, found in of.items()
        if "," not in name
    ]
    head = (
        "problem", "trainings or classes", "detectors that are used", "minus the score alone",
        "minus randomly initialised", "minus the best control", "best peer on the same layers", "false alarms",
    )  # fmt: skip
    judged = [v for name, v in of.items() if not (name in developed or "," in name) and v["default"]["n"] >= SURE]
    counts = [
        (title, *(str(sum(verdict(found[key]) == word for found in judged)) for word in ("ahead", "behind", "neither")))
        for title, key in (
            ("the score alone", "minus score-low"),
            ("randomly initialised critics", "minus random_init"),
            ("the best control", "minus best control"),
        )
    ]
    over = f"of {len(judged)} problems, by the interval over trainings or classes: against"
    variants = [
        (name, sure(found["default"]), sure(found["minus the usual training"], sign="+"),
         sure(found["minus random_init"], sign="+"))
        for name, found in of.items() if "," in name
    ]  # fmt: skip
    tables = (
        table(head, rows),
        table((over, "ahead", "behind", "neither"), counts),
        table(("other trainings", "AUROC", "minus the usual training", "minus randomly initialised"), variants),
    )
    return between(page, "\n\n".join(tables))


def sure(found: dict[str, float], sign: str = "") -> str:
    """Return a mean with its interval, where there are enough units for one."""
    mean = f"{found['mean']:{sign}.3f}"
    low, high = max(found["ci_low"], -1.0 if sign else 0.0), min(found["ci_high"], 1.0)
    return f"{mean} ({low:{sign}.3f} to {high:{sign}.3f})" if found["n"] >= SURE else mean


def verdict(found: dict[str, float]) -> str:
    """Return what the interval of a difference allows to say."""
    return "ahead" if found["ci_low"] > 0 else "behind" if found["ci_high"] < 0 else "neither"


def span(values: list[float]) -> str:
    """Return a range in words, or the one value."""
    low, high = f"{min(values):.3g}", f"{max(values):.3g}"
    return low if low == high else f"{low} to {high}"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """Return a table in Markdown."""
    first, *others = (f"| {' | '.join(cells)} |" for cells in (head, *rows))
    return "\n".join([first, f"|{'---|' * len(head)}", *others])


def citation(page: str) -> str:
    """Return ``CITATION.cff`` with the version of today."""
    return re.sub(r"^version: .*$", f"version: {VERSION}", page, count=1, flags=re.MULTILINE)


def layers() -> list[str]:
    """Return packages and modules in the order of the layers that ``lint-imports`` checks, highest first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    layered = next(contract for contract in contracts if contract["type"] == "layers")
    return [name for layer in layered["layers"] for name in re.split(r"\s*[:|]\s*", layer)]


def tree(package: Path, order: dict[str, int], depth: int = 0) -> Iterator[str]:
    """Yield a line for a package and each module in it: its name, and the first line of its docstring.

    Raises
    ------
    SystemExit
        When a module has no docstring, or a room of the house is in no layer.
    """
    yield entry(f"{package.name}/", package / "__init__.py", depth)

    def rank(path: Path) -> tuple[int, bool, str]:
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        if path.is_dir() and depth == 0 and name not in order:
            sys.exit(f"{name} is in no layer: give it a place in the contract of import-linter in pyproject.toml")
        return order.get(name, len(order)), path.is_dir(), path.name

    inside = [path.parent for path in package.glob("*/__init__.py")] + list(package.glob("*.py"))
    for path in sorted((path for path in inside if path.name != "__init__.py"), key=rank):
        if path.is_dir():
            yield from tree(path, order, depth + 1)
        else:
            yield entry(path.stem, path, depth + 1)


def entry(name: str, module: Path, depth: int) -> str:
    """Return one line of the tree. The module is parsed, not imported: an extra may be missing here."""
    docstring = ast.get_docstring(ast.parse(module.read_text(encoding="utf-8")))
    if not docstring:
        sys.exit(f"{module.relative_to(ROOT)} has no docstring: its first line stands in docs/architecture.md")
    return f"{'  ' * depth + name:<{NAME_WIDTH}}{docstring.splitlines()[0].replace('`', '')}"


def between(page: str, new: str) -> str:
    """Return a page with ``new`` in place of what lies between its two marker comments."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        sys.exit(f"a page lost its markers: put {BEGIN} and {END} around the part that is generated")
    return f"{before}{BEGIN}\n{new}\n{END}{after}"


def words(_: str) -> str:
    """Return ``docs/glossary.md``, whole."""
    rows = "\n\n".join(f"{word}\n  {text}" for word, text in glossary().items())
    return f"# Words\n\n```{{glossary}}\n{rows}\n```\n"


# A page, and the function that makes of its text the text that it should have.
PAGES: dict[str, Callable[[str], str]] = {
    "docs/commands.md": commands,
    "docs/architecture.md": architecture,
    "docs/what-is-read.md": what_is_read,
    "docs/glossary.md": words,
    "docs/verdicts.md": verdicts,
    "docs/metrics/coverage.md": coverage,
    "docs/measured.md": speeds,
    "docs/outliers.md": outliers,
    "reports/README.md": gallery,
    "docs/gallery.md": gallery_of_site,
    "CITATION.cff": citation,
}


def main() -> None:
    """Write what is out of date; with ``--check`` name it, and exit with 1."""
    texts = {page: (ROOT / page).read_text(encoding="utf-8") if (ROOT / page).is_file() else "" for page in PAGES}
    made = {page: make(texts[page]) for page, make in PAGES.items()}
    stale = [page for page in PAGES if made[page] != texts[page]]
    if "--check" in sys.argv and stale:
        sys.exit(f"out of date: {', '.join(stale)}. Run python docs/generate.py")
    for page in stale:
        (ROOT / page).write_text(made[page], encoding="utf-8")


if __name__ == "__main__":
    main()
