"""Remake the gallery: ``python reports/remake.py --list``, then names of reports, ``quick`` or ``all``.

What stands in ``ROWS`` is the one place that says how a report is made; ``docs/generate.py`` writes the gallery's page
from it. To add a report: one row.
"""

from __future__ import annotations

import argparse
import difflib
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SCRATCH = ROOT / ".gallery"  # commands run here: data/, runs/ and whole reports stay for a look, and for --resume
FINISHED = SCRATCH / "finished.txt"
QUICK_MINUTES = 10
EXTERNAL = {
    "mnist": "MNIST as .npz with x_train, y_train, x_test, y_test",
    "clothing": "the small clothing data set (CC0) at 64 pixels as .npz with x, y, split",
}
# What git keeps of a report, besides what README.md and docs/ show. The page holds its figures; as files, they and the
# maps of `explain` (.npy) would be two thirds of the gallery's megabytes, anew at each remake.
KEPT = ("report.html", "report.json", "*.csv", "*.parquet")


@dataclass(frozen=True, kw_only=True)
class Row:
    """A report of the gallery.

    Attributes
    ----------
    name : str
        Its folder in ``reports/``.
    shows : str
        What one sees there, for the gallery's page.
    commands : tuple of str
        What makes it, in the scratch folder. A command that stands in several rows is run once for all.
    minutes : int
        From nothing, on two cores, roughly.
    needs : str
        A name in ``EXTERNAL``, or nothing.
    page : str
        Where the commands leave the page.
    """

    name: str
    shows: str
    commands: tuple[str, ...]
    minutes: int
    needs: str = ""
    page: str = ""

    @property
    def made(self) -> Path:
        """Where the commands leave the page."""
        return SCRATCH / (self.page or f"reports/{self.name}")


def synth(preset: str, options: str = "", out: str = "") -> str:
    """Return the command that draws a data set."""
    return f"gan-probe synth {preset}{options} --out data/{out or preset}"


def article_run(seed: int) -> str:
    """Return the command that trains on the article's two classes."""
    return f"gan-probe train data/article-train --seed {seed} --out runs/seed-{seed}"


def collapse_run(kernels: int, seed: int) -> str:
    """Return the command that trains a fast generator against a slow critic."""
    return (
        "gan-probe train data/mnist.npz --split train --size 32 --objective non-saturating --steps 500 --batch-size 64"
        " --set penalty=none --set n_critic=1 --set beta1=0.5 --set decay_share=0 --set latent_dim=64"
        " --set critic_average=0 --set learning_rate_generator=2e-3 --set learning_rate_critic=2e-4"
        f" --set minibatch_kernels={kernels} --seed {seed} --out runs/kernels-{kernels}-seed-{seed}"
    )


ARTICLE_DATA = (synth("article-train"), synth("article-test"))
TEN_JITTERED = (
    synth("jitter-train"),
    synth("jitter-test"),
    "gan-probe train data/jitter-train --runs 10 --out runs/jitter",
)
DCGAN = "gan-probe train data/mnist.npz --split train --preset dcgan --size 32 --out runs/mnist-dcgan"
COLLAPSES = [(kernels, seed) for kernels in (0, 32) for seed in range(3)]

ROWS = (
    Row(
        name="article",
        shows="the article's experiment, two classes trained on, ten scored",
        commands=("gan-probe demo --out article",),
        minutes=1,
        page="article/report",
    ),
    Row(
        name="to-the-letter",
        shows="the article's own networks: what it says beside what was measured, of the trainings on record",
        commands=(
            'python -c "from shutil import copytree as copy;'
            " copy('../benchmarks/records/article', 'to-the-letter', dirs_exist_ok=True)\"",
            "gan-probe article --page-only --out to-the-letter",
        ),
        minutes=1,
        page="to-the-letter/report",
    ),
    Row(
        name="probe-mnist",
        shows="labels needed on MNIST by a critic trained without labels",
        commands=("python ../benchmarks/probe_mnist.py data/mnist.npz",),
        minutes=240,
        needs="mnist",
    ),
    Row(
        name="probe-clothing",
        shows="the same on 3,781 colour photos of clothes: ahead of HOG, and hardly ahead of random weights",
        commands=(
            "gan-probe train data/clothing.npz --split train --preset photos --out runs/clothing",
            "gan-probe train data/clothing.npz --split train --preset photos --without-generator"
            " --out runs/clothing-alone",
            "gan-probe probe runs/clothing data/clothing.npz --draws 30 --labels 1 --labels 5 --labels 10 --labels 50"
            " --classifier linear --control runs/clothing-alone"
            ' --title "Clothing photos: how many labels a critic\'s features need" --out reports/probe-clothing',
        ),
        minutes=25,
        needs="clothing",
    ),
    Row(
        name="jitter",
        shows="ten jittered classes, five trainings: the embedding beats its controls, the score loses to them",
        commands=(
            *TEN_JITTERED,  # of which the first five are shown: other reports want ten
            *(  # the pooling that was best on `jitter-dev`, where place is a nuisance: benchmarks/records/poolings.json
                f"gan-probe score runs/jitter/run-{n:02d} data/jitter-test --pooling mean"
                f" --out runs/scores/jitter-{n}.parquet"
                for n in range(5)
            ),
            'gan-probe report runs/scores/jitter-*.parquet --title "Ten jittered classes, five trainings"'
            " --out reports/jitter",
        ),
        minutes=9,
    ),
    Row(
        name="trajectory",
        shows="when the article's classes fall apart in a training, and which change places",
        commands=(
            *ARTICLE_DATA,
            article_run(1),
            "gan-probe trajectory runs/seed-1 data/article-test --out reports/trajectory",
        ),
        minutes=2,
    ),
    Row(
        name="explain",
        shows="which pixels move the score, measured against the masks",
        commands=(
            synth("article-train"),
            synth("article-test", " --masks --per-class 6", out="article-masks"),
            article_run(2),
            "gan-probe explain runs/seed-2 data/article-masks --baseline blurred --out reports/explain",
        ),
        minutes=3,
    ),
    Row(
        name="factors",
        shows="which factors a critic of the article's shapes follows, and the smallest difference it notices",
        commands=(
            synth("article-train"),
            article_run(0),
            "gan-probe factors runs/seed-0 --out reports/factors",
        ),
        minutes=5,
    ),
    Row(
        name="mnist-2014",
        shows="perceptrons of 2014 on MNIST, all ten digits; a single layer, three",
        commands=(
            "gan-probe train data/mnist.npz --split train --preset mlp-2014 --out runs/mnist-2014",
            "gan-probe train data/mnist.npz --split train --preset mlp-2014 --network mlp --out runs/mnist-784-100-1",
            "gan-probe diagnose runs/mnist-2014 runs/mnist-784-100-1"
            ' --title "MNIST with the perceptrons of 2014, and with a single layer" --out reports/mnist-2014',
        ),
        minutes=5,
        needs="mnist",
    ),
    Row(
        name="mnist-dcgan",
        shows="DCGAN on MNIST, all ten digits",
        commands=(
            DCGAN,
            'gan-probe diagnose runs/mnist-dcgan --title "MNIST with DCGAN" --out reports/mnist-dcgan',
        ),
        minutes=11,
        needs="mnist",
    ),
    Row(
        name="mnist-arithmetic",
        shows="thick 7 - thin 7 + thin 3 among its latents",
        commands=(
            DCGAN,
            "python ../benchmarks/mnist_strokes.py data/mnist.npz data/mnist-strokes.npz",
            'gan-probe arithmetic runs/mnist-dcgan data/mnist-strokes.npz "thick 7 - thin 7 + thin 3 = thick 3"'
            " --size 32 --out reports/mnist-arithmetic",
        ),
        minutes=12,
        needs="mnist",
    ),
    Row(
        name="stability",
        shows="ten trainings on the article's shapes agree",
        commands=(
            *ARTICLE_DATA,
            *(article_run(seed) for seed in range(10)),
            'gan-probe stability runs/seed-* --data data/article-test --title "Ten trainings on the article\'s shapes"'
            " --out reports/stability",
        ),
        minutes=9,
    ),
    Row(
        name="stability-jitter",
        shows="ten trainings on jittered shapes agree less, and not on more than image statistics",
        commands=(
            *TEN_JITTERED,
            'gan-probe stability runs/jitter/run-* --data data/jitter-test --title "Ten trainings on jittered shapes"'
            " --out reports/stability-jitter",
        ),
        minutes=8,
    ),
    Row(
        name="stability-settled",
        shows="the same ten, settled on one bank of fakes, do",
        commands=(
            *TEN_JITTERED,
            "gan-probe settle runs/jitter/run-* --data data/jitter-train --out runs/jitter-settled",
            "gan-probe stability runs/jitter-settled/run-* --data data/jitter-test --against runs/jitter"
            ' --title "The same trainings, settled on one bank of fakes" --out reports/stability-settled',
        ),
        minutes=9,
    ),
    Row(
        name="outliers-jitter",
        shows="what does not belong among jittered shapes: a critic's layers know it, its score does not",
        commands=(
            synth("jitter-train"),
            synth("jitter-train", " --seed 9", out="jitter-reals"),
            synth("jitter-test"),
            "gan-probe train data/jitter-train --out runs/jitter-outliers",
            "gan-probe outliers runs/jitter-outliers data/jitter-test --reals data/jitter-reals"
            ' --title "Jittered shapes: what does not belong" --out reports/outliers-jitter',
        ),
        minutes=4,
    ),
    Row(
        name="outliers-clothing",
        shows="the same on photos of clothes, four kinds known and six not",
        commands=(
            "python ../benchmarks/novelty.py files --only garments --data data --runs data",
            "gan-probe train data/garments-training.npz --out runs/garments",
            "gan-probe outliers runs/garments data/garments-judged.npz --reals data/garments-reals.npz"
            ' --title "Clothing photos: what does not belong" --out reports/outliers-clothing',
        ),
        minutes=6,
        needs="clothing",
    ),
    Row(
        name="collapse",
        shows="a generator that collapses to a few digits, and minibatch discrimination, three seeds each",
        commands=(
            *(collapse_run(kernels, seed) for kernels, seed in COLLAPSES),
            f"gan-probe diagnose {' '.join(f'runs/kernels-{kernels}-seed-{seed}' for kernels, seed in COLLAPSES)}"
            ' --title "MNIST, a fast generator against a slow critic, without and with minibatch discrimination"'
            " --out reports/collapse",
        ),
        minutes=6,
        needs="mnist",
    ),
)
BY_NAME = {row.name: row for row in ROWS}
GROUPS = {
    "quick": [row.name for row in ROWS if not row.needs and row.minutes < QUICK_MINUTES],
    "all": list(BY_NAME),
}


def main() -> int:
    """Remake what is named; return 1 where nothing could be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="reports, quick or all")
    parser.add_argument("--list", action="store_true", help="list the reports, and make none")
    parser.add_argument("--dry-run", action="store_true", help="print the commands, and run none")
    parser.add_argument("--resume", action="store_true", help="keep what commands of earlier calls have finished")
    for name, what in EXTERNAL.items():
        parser.add_argument(f"--{name}", type=Path, metavar="FILE", help=what)
    given = parser.parse_args()
    if given.list or not given.names:
        print("\n".join(listing()))
        return 0
    try:
        rows = [BY_NAME[name] for name in choose(given.names)]
        files = {name: path for name in EXTERNAL if (path := getattr(given, name)) is not None}
        if not given.dry_run:
            link(files)
    except ValueError as error:
        parser.error(str(error))
    lacking = [row for row in rows if row.needs and row.needs not in files]
    done = finished() if given.resume else set()
    for row in rows:
        if row in lacking:
            print(f"{row.name} is left out: it needs {EXTERNAL[row.needs]}; give it with --{row.needs} FILE.")
        elif given.dry_run:
            print("\n".join(row.commands))
        else:
            remake(row, done)
    return int(len(lacking) == len(rows))


def listing() -> Iterator[str]:
    """Yield a line for each report."""
    for row in ROWS:
        needs = f" (needs --{row.needs} FILE)" if row.needs else ""
        yield f"{row.name:<18} {row.minutes:>4} min  {row.shows}{needs}"
    for group, names in GROUPS.items():
        yield f"{group:<18}           {', '.join(names)}"


def choose(words: list[str]) -> list[str]:
    """Return names of reports, groups spelled out, each once.

    Raises
    ------
    ValueError
        For an unknown word, with the nearest known one.
    """
    known = [*BY_NAME, *GROUPS]
    for word in words:
        if word not in known:
            near = difflib.get_close_matches(word, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise ValueError(f"there is no report {word!r}.{hint} Known: {', '.join(known)}.")
    return list(dict.fromkeys(name for word in words for name in GROUPS.get(word, [word])))


def link(files: dict[str, Path]) -> None:
    """Put external data under the names that the commands know, so that no page tells where a machine keeps them.

    Raises
    ------
    ValueError
        When a file is not there.
    """
    for name, path in files.items():
        if not path.is_file():
            raise ValueError(f"--{name} {path}: there is no such file. It wants {EXTERNAL[name]}.")
        alias = SCRATCH / "data" / f"{name}.npz"
        alias.parent.mkdir(parents=True, exist_ok=True)
        alias.unlink(missing_ok=True)
        alias.symlink_to(path.resolve())


def finished() -> set[str]:
    """Return the commands that earlier calls have finished."""
    return set(FINISHED.read_text(encoding="utf-8").splitlines()) if FINISHED.is_file() else set()


def remake(row: Row, done: set[str]) -> None:
    """Run a row's commands but those in ``done``, and put what git keeps of the page into ``reports/``.

    Raises
    ------
    SystemExit
        When a command fails.
    """
    for command in row.commands:
        if command in done:
            continue
        note(finished() - {command})  # it is begun anew: what it leaves half done must not count as finished
        print(f"{row.name}: {command}", flush=True)
        code = subprocess.run(words(command), cwd=SCRATCH, check=False).returncode
        if code:
            raise SystemExit(f"{row.name}: exit code {code} of: {command}\nTo go on from here: --resume.")
        done.add(command)
        note(finished() | {command})
    shutil.rmtree(ROOT / "reports" / row.name, ignore_errors=True)
    kept = (*KEPT, *shown(row.name))
    for path in sorted(path for path in row.made.rglob("*") if path.is_file()):
        inside = path.relative_to(row.made)
        if any(fnmatch(inside.as_posix(), pattern) for pattern in kept):
            target = ROOT / "reports" / row.name / inside
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    print(f"{row.name}: whole in {row.made.relative_to(ROOT)}, what git keeps of it in reports/{row.name}", flush=True)


def shown(name: str) -> list[str]:
    """Return the files of a report that README.md or a page in docs/ links or shows."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    text = "\n".join(page.read_text(encoding="utf-8") for page in pages)
    return sorted(set(re.findall(rf"\]\((?:\.\./)*reports/{re.escape(name)}/([^)#]+)", text)))


def note(commands: set[str]) -> None:
    """Write down which commands are finished."""
    SCRATCH.mkdir(exist_ok=True)
    FINISHED.write_text("".join(f"{command}\n" for command in sorted(commands)), encoding="utf-8")


def words(command: str) -> list[str]:
    """Return a command's words: run by this Python, ``*`` spelled out, and what is there already replaced."""
    program, *rest = shlex.split(command)
    spelled: list[str] = []
    for word in rest:
        spelled += sorted(str(path.relative_to(SCRATCH)) for path in SCRATCH.glob(word)) if "*" in word else [word]
    return [sys.executable, *(["-m", "gan_probe", *spelled, "--overwrite"] if program == "gan-probe" else spelled)]


if __name__ == "__main__":
    sys.exit(main())
