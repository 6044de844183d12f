"""What lies at a path that was meant for something else, in words: the sentence that helps after a wrong first try.

To add a kind: one row in ``KINDS``, first the more special; its sentences by what was wanted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gan_probe.records import regular

CRITIC, RUN, DATA, SCORES = "critic", "run", "data", "scores"
ANY = "any"  # the sentence whatever was wanted
_SCHEMA = re.compile(rb'"schema":\s*"gan_probe\.(\w+)/')
_PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff")
_LOOKED_AT = 200  # entries of a folder


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Something that people have at hand.

    Attributes
    ----------
    matches : callable
        Whether it lies at a path.
    says : dict
        What to do, by what was wanted; ``{path}`` and ``{parent}`` are filled in.
    refused : bool
        Whether it must not be read as images, though pictures lie in it.
    """

    matches: Callable[[Path], bool]
    says: Mapping[str, str] = field(default_factory=dict)
    refused: bool = False


def hint(path: str | Path, wanted: str) -> str:
    """Return a sentence, with a blank before it, on what lies at a path where something else was wanted; or nothing."""
    path = Path(path)
    for kind in KINDS:
        if kind.matches(path):
            says = kind.says.get(wanted) or kind.says.get(ANY)
            return f" {says.format(path=path, parent=path.parent)}" if says else ""
    return ""


def no_images(path: str | Path) -> str:
    """Return why a folder that gan-probe wrote is no data set, though pictures lie in it; else an empty text."""
    found = (kind for kind in KINDS if kind.refused and kind.matches(Path(path)))
    return hint(path, DATA).strip() if next(found, None) is not None else ""


def _schema(folder: Path, *markers: str) -> str:
    """Return which kind of ours a folder is by its marker, or an empty text."""
    for name in markers:
        try:
            with regular(folder / name).open("rb") as file:
                found = _SCHEMA.search(file.read(4096))
        except OSError:
            continue
        if found:
            return found[1].decode()
    return ""


def _suffix(*suffixes: str) -> Callable[[Path], bool]:
    return lambda path: path.suffix.lower() in suffixes and path.is_file()


def _first_inside(path: Path, matches: Callable[[Path], bool]) -> bool:
    """Return whether one of a folder's first entries is of a kind."""
    if not path.is_dir():
        return False
    try:
        return any(matches(entry) for _, entry in zip(range(_LOOKED_AT), path.iterdir(), strict=False))
    except OSError:
        return False


def _is_score_table(path: Path) -> bool:
    if not _suffix(".parquet")(path):
        return False
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return "critic_score" in pq.read_schema(path).names
    except (pa.ArrowException, OSError):
        return False


def _is_run(path: Path) -> bool:
    return _schema(path, "config.json") == "run"


def _holds_images(path: Path) -> bool:
    def picture(entry: Path) -> bool:
        return entry.suffix.lower() in _PICTURES or entry.name.startswith(("metadata.", "images."))

    return _first_inside(path, picture) or _first_inside(path, lambda entry: _first_inside(entry, picture))


def holds_scores(path: Path) -> bool:
    """Return whether a table or a folder of scores lies at a path."""
    return _schema(path, "scores.json") == "shards" or _is_score_table(path)


_CRITIC_FIRST = "The critic comes first, then the images."
_SCORE_FIRST = "Scores are made with: gan-probe score CRITIC DATA --out scores.parquet."

KINDS: tuple[Kind, ...] = (
    Kind(
        matches=_is_run,
        says={
            DATA: f"{{path}} is a run of gan-probe train, not images. {_CRITIC_FIRST}",
            SCORES: "It is a run of gan-probe train: score images with it first: gan-probe score {path} DATA --out"
            " scores.parquet.",
        },
        refused=True,
    ),
    Kind(
        matches=lambda path: _schema(path, "config.json", "ensemble.json") in ("critic", "ensemble"),
        says={
            DATA: f"{{path}} is a critic's folder, not images. {_CRITIC_FIRST}",
            RUN: "It is a critic's folder: the record of its training is missing. Give the run folder that it came"
            " from, such as {parent}.",
            SCORES: "It is a critic's folder: score images with it first: gan-probe score {path} DATA --out"
            " scores.parquet.",
        },
        refused=True,
    ),
    Kind(
        matches=lambda path: bool(_schema(path, "report.json")),
        says={
            ANY: "{path} is a report. Its numbers are in report.json; give what it was made of: a critic, images or a"
            " table of scores.",
        },
        refused=True,
    ),
    Kind(
        matches=holds_scores,
        says={
            CRITIC: "It holds scores. Give the critic that made them, or ask what they show: gan-probe report {path}"
            " --out DIR.",
            RUN: "It holds scores: give the run folder of the critic.",
            DATA: "{path} is a table of scores. What it shows: gan-probe report {path} --out DIR.",
        },
    ),
    Kind(
        matches=lambda path: _first_inside(path, _is_run),
        says={
            CRITIC: "It holds runs: name one of them, or several: {path}/*",
            RUN: "It holds runs: name them: {path}/*",
        },
    ),
    Kind(
        matches=_holds_images,
        says={
            CRITIC: f"It holds images. {_CRITIC_FIRST} A critic is made with: gan-probe train {{path}} --out RUN.",
            RUN: "It holds images. A run is made with: gan-probe train {path} --out RUN.",
            SCORES: "It holds images: score them first: gan-probe score CRITIC {path} --out scores.parquet.",
        },
    ),
    Kind(
        matches=_suffix(".zip", ".7z", ".rar", ".gz", ".tgz", ".bz2", ".xz"),
        says={ANY: "It is an archive: unpack it, and give the folder."},
    ),
    Kind(
        matches=_suffix(".safetensors"),
        says={
            CRITIC: "A critic is a folder: give {parent}. Weights alone need what builds their network: gan-probe adapt"
            " PACKAGE.MODULE:NAME --weights {path} --image-shape HxWxC --out critic.",
            ANY: "It is a file of weights.",
        },
    ),
    Kind(
        matches=_suffix(".onnx", ".pt", ".pth", ".ckpt", ".pkl", ".bin", ".pth.tar"),
        says={
            CRITIC: "It is a checkpoint: make a critic of it with gan-probe adapt PACKAGE.MODULE:NAME --weights {path}"
            " --image-shape HxWxC --out critic (of ONNX and TorchScript files: gan-probe adapt {path} ...).",
            ANY: "It is a checkpoint. gan-probe adapt makes a critic of it, and a critic comes before the images.",
        },
    ),
    Kind(
        matches=_suffix(*_PICTURES),
        says={
            CRITIC: f"It is a picture. {_CRITIC_FIRST}",
            RUN: "It is a picture: give a run folder made by gan-probe train.",
            SCORES: f"It is a picture. {_SCORE_FIRST}",
        },
    ),
    Kind(
        matches=_suffix(".csv", ".tsv", ".json", ".html", ".txt", ".npy", ".npz"),
        says={SCORES: f"Scores are read from .parquet files. {_SCORE_FIRST}"},
    ),
)
