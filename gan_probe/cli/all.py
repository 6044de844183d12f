"""``gan-probe all``: from a folder of images to the verdict."""

from __future__ import annotations

import json as json_
import webbrowser
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gan_probe.cli.options import (
    Device,
    DryRun,
    Json,
    Overwrite,
    Seed,
    SizePx,
    check_apart,
    check_gate,
    command_line,
    gate_option,
)
from gan_probe.cli.run_study import check_readable, parts, score_to, train_critic
from gan_probe.cli.session import Session
from gan_probe.config import PRESETS, TrainConfig
from gan_probe.config import preset as find_preset
from gan_probe.errors import ConfigError, InputError
from gan_probe.studies.separation.metrics import SeparationMetrics
from gan_probe.verdicts import Verdict, always, conclude

if TYPE_CHECKING:
    from gan_probe.critics.critic import Critic
    from gan_probe.images.image_set import ImageSet
    from gan_probe.scoring.table import ScoreTable
    from gan_probe.studies.base import StudyResult

MARKER, SUMMARY = "all.json", "summary.json"
SCHEMA, SUMMARY_SCHEMA = "gan_probe.all/1", "gan_probe.summary/1"
TEST_SHARE = 0.2
LARGEST_PX = 64  # of images that are resized without being asked: what a laptop trains on in minutes


@dataclass(frozen=True)
class AllFacts:
    """What the last line is made of."""

    failed: tuple[str, ...]
    leads: tuple[str, ...]
    check_page: Path

    @property
    def checks(self) -> str:
        """The checks that failed, by name."""
        return ", ".join(self.failed)

    @property
    def lead(self) -> str:
        """What the report leads with."""
        return self.leads[0]


VERDICTS: tuple[Verdict[AllFacts], ...] = (
    Verdict(
        name="not fit to score",
        when="a check of the critic failed",
        holds=lambda f: bool(f.failed),
        says="This critic is not fit to score: {checks} failed ({check_page} says what to do). What follows is of it.",
    ),
    Verdict(
        name="what the report leads with",
        when="always: the first finding of the report",
        holds=always,
        says="{lead}",
    ),
)


def all(
    train: Annotated[Path, typer.Argument(help="Images to train on: a folder, or a .npy, .npz or .parquet file.")],
    test: Annotated[
        Path | None,
        typer.Argument(
            help="Images to score: the same classes, others, or both; labels are the names of sub-folders. Without it a"
            " fifth of TRAIN is held out and scored."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder to write; a second call goes on where one ended.")
    ] = (Path("gan-probe-all")),
    preset: Annotated[str, typer.Option(help=f"Recipe of the training: {', '.join(PRESETS)}.")] = "compact",
    steps: Annotated[int | None, typer.Option(help="Generator updates, in place of the recipe's.", min=1)] = None,
    show: Annotated[bool, typer.Option("--open", help="Open the report in the browser at the end.")] = False,
    fail_if: Annotated[str | None, gate_option(SeparationMetrics)] = None,
    size: SizePx = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Train a critic on images, check it, score others, and write the report; the last line is the verdict.

    Images may differ in size. Labels are not needed: without them the report is of outliers and clusters.
    """
    with Session("all", json, resume_hint=f"Go on with the same command: {command_line()}") as session:
        config = find_preset(preset).updated({"seed": seed} | ({"steps": steps} if steps else {}))
        check_readable(fail_if, SeparationMetrics)
        from gan_probe.device import resolve_device
        from gan_probe.training.loop import check_trainable
        from synthetic.files import check_free

        resolve_device(device)
        check_apart(out, *filter(None, (train, test)), overwrite=overwrite)
        goes_on = (out / MARKER).is_file() and not overwrite
        if not goes_on:
            check_free(out, marker=MARKER, overwrite=overwrite)
        pair = read_pair(session, train, test, config=config, size=size)
        check_trainable(pair[0], config)
        settings = {
            "trained_on": pair[0].fingerprint,
            "tested_on": pair[1].fingerprint,
            "image_shape": list(pair[0].image_shape),
            "training": config.as_dict(),
        }
        session.plan(
            dry_run,
            {
                "train": f"{len(pair[0])} images of {'x'.join(map(str, pair[0].image_shape))} in {train}",
                "test": f"{len(pair[1])} images {f'in {test}' if test else f'of {train}, not trained on'}",
                "recipe": f"{preset}, {config.steps} steps",
                "device": device,
                "out": f"{out}{', which is gone on with' if goes_on else ''}",
            },
        )
        session.hold(out)
        _begin(out, settings, goes_on=goes_on, overwrite=overwrite)
        summary = _run(session, out, pair, config, device=device, seed=seed)
        for line in summary["findings"]:
            session.say(f"- {line}")
        session.metrics |= {name: summary[name] for name in ("findings", "verdict", "failed_checks")}
        session.metrics |= summary["metrics"]
        page = (out / "report" / "report.html").resolve()
        session.outputs |= {"report": str(page), "scores": str(out / "scores.parquet"), "run": str(out / "run")}
        session.say(f"report: {page}")
        session.say(f"verdict: {summary['verdict']}")
        if show:
            webbrowser.open(page.as_uri())
        if fail_if is not None and not summary["metrics"]:
            raise InputError("--fail-if reads numbers of classes, and these images have no two of them.")
        check_gate(fail_if, session.metrics)


def read_pair(
    session: Session, train: Path, test: Path | None, *, config: TrainConfig, size: int | None
) -> tuple[ImageSet, ImageSet]:
    """Return the images to train on and those to test on, of one shape; warn of what is done to them."""
    from gan_probe.images.image_set import hold_out
    from gan_probe.images.readers.reading import read_images
    from gan_probe.images.readers.sizes import common_side, image_sizes, sizes_in_words
    from gan_probe.networks import NETWORKS

    paths = [train] if test is None else [train, test]
    if size is None:
        sizes = sum(map(image_sizes, paths), start=Counter[tuple[int, int]]())
        size = common_side(sizes, NETWORKS[config.network].sides_px, at_most=LARGEST_PX) if sizes else None
        if size is not None:
            sizes_are = f"images of {sizes_in_words(sizes)}"
            session.warn([f"{sizes_are} become squares of {size} pixels; choose others with --size."])
    sets = []
    for path in paths:
        with session.each("reading images") as progress:
            found = read_images(path, size_px=size, skip_bad=True, progress=progress)
        session.warn(found.warnings)
        session.n_skipped += found.n_skipped
        sets.append(found)
    if test is not None:
        return sets[0], sets[1].with_channels(sets[0].image_shape[2])
    return _by_split(session, sets[0]) or hold_out(sets[0], TEST_SHARE, seed=config.seed)


def _by_split(session: Session, data: ImageSet) -> tuple[ImageSet, ImageSet] | None:
    """Return the images to train on and those to test on, where the data names both; say what becomes of others."""
    from gan_probe.names import TEST, TRAIN, split_role

    if "split" not in data.table:
        return None
    column = data.table["split"].astype(str)
    roles = column.map(split_role)
    if not {TRAIN, TEST} <= set(roles):
        if column.nunique() > 1:
            named = ", ".join(sorted(set(column)))
            session.warn([f"these splits do not say what to train on and what to test on, so all are one: {named}."])
        return None
    is_other = ~roles.isin([TRAIN, TEST])
    if is_other.any():
        others = ", ".join(sorted(set(column[is_other])))
        session.warn([f"{int(is_other.sum())} images of other splits than train and test are not used: {others}."])
    return data.take((roles == TRAIN).to_numpy()), data.take((roles == TEST).to_numpy())


def _begin(out: Path, settings: Mapping[str, Any], *, goes_on: bool, overwrite: bool) -> None:
    """Put a folder with nothing but the settings at ``out``, or see that what is there was begun with the same.

    Raises
    ------
    ConfigError
        When it was begun with others, which are named.
    """
    from gan_probe.records import read_record
    from synthetic.files import atomic_folder, remove_temporaries

    if goes_on:
        before = read_record(out / MARKER).get("settings", {})
        differing = [name for name, value in settings.items() if before.get(name) != value]
        if differing:
            raise ConfigError(
                f"{out} was begun with others: {', '.join(differing)} (written in {MARKER}). To go on, give the same"
                " images and options; else choose another --out, or start again with --overwrite."
            )
        remove_temporaries(out)
        return
    with atomic_folder(out, marker=MARKER, overwrite=overwrite) as folder:
        record = {"schema": SCHEMA, "command": command_line(), "settings": settings}
        (folder / MARKER).write_text(json_.dumps(record, indent=2) + "\n", encoding="utf-8")


def _run(
    session: Session, out: Path, pair: tuple[ImageSet, ImageSet], config: TrainConfig, *, device: str, seed: int
) -> dict[str, Any]:
    """Do what is not done yet; return the summary, which is written last."""
    from gan_probe.device import resolve_device
    from gan_probe.records import read_record
    from synthetic.files import write_atomically

    chosen = resolve_device(device)
    session.log(f"1/4 training a critic on {len(pair[0])} images: {config.steps} steps on {chosen}")
    critic = train_critic(session, pair[0], out / "run", config, device=chosen, resume=True)
    known = {"schema": SUMMARY_SCHEMA, "critic_hash": critic.hash}
    if (out / SUMMARY).is_file():
        found = read_record(out / SUMMARY)
        if found | known == found:
            session.log("everything is there already")
            return found
    session.log("2/4 checking whether it is fit to score")
    with session.progress("checking"):
        checked = _page(out / "check", critic, lambda: _check(critic, pair[0]))
    session.log(f"3/4 scoring {len(pair[1])} images, beside what needs no training")
    scores = score_to(session, critic, pair[1], out / "scores.parquet", reuse=True)
    session.log("4/4 writing the report")
    summary = known | _report(session, out, scores, seed=seed)
    facts = AllFacts(
        failed=tuple(c["check"] for c in checked["checks"] if c["verdict"] == "FAIL"),
        leads=tuple(summary["findings"]),
        check_page=out / "check" / "report.html",
    )
    summary |= {"failed_checks": list(facts.failed), "verdict": " ".join(conclude(VERDICTS, facts))}
    write_atomically(out / SUMMARY, json_.dumps(summary, indent=2) + "\n")
    return summary


def _check(critic: Critic, images: ImageSet) -> StudyResult:
    from gan_probe.studies.check.study import check_critic

    return check_critic(critic, images)


def _page(folder: Path, critic: Critic, make: Callable[[], StudyResult]) -> dict[str, Any]:
    """Return the record of a study's page, which is made where that of this critic is not there."""
    from gan_probe.records import read_record
    from gan_probe.report.page import MARKER as RECORD

    if (folder / RECORD).is_file():
        found = read_record(folder / RECORD)
        if found.get("provenance", {}).get("critic_hash") == critic.hash:
            return found
    make().save(folder, command=command_line(), overwrite=True)
    return read_record(folder / RECORD)


def _report(session: Session, out: Path, scores: ScoreTable, *, seed: int) -> dict[str, Any]:
    """Write the pages of a table of scores, and which of its images are outliers; return findings and metrics."""
    from gan_probe.studies.cluster.study import cluster_scores
    from gan_probe.studies.outliers.study import outliers
    from gan_probe.studies.separation.analysis import N_PARTS
    from gan_probe.studies.separation.study import separation
    from gan_probe.text import as_csv
    from synthetic.files import write_atomically

    unlike = None
    try:
        unlike = outliers(scores, seed=seed)
        write_atomically(out / "outliers.csv", as_csv(unlike.table))
        session.outputs["outliers"] = str(out / "outliers.csv")
    except InputError as error:
        session.warn([f"outliers: left out, {error}"])
    counts = Counter(scores.table["label"]) if "label" in scores.table else Counter[str]()
    if sum(count > 1 for count in counts.values()) > 1:
        with parts(session, "analysing", N_PARTS) as on_step:
            result = separation(scores, seed=seed, on_step=on_step)
        findings, metrics = result.findings(), asdict(result.metrics())
        result.save(out / "report", command=command_line(), overwrite=True)
        return {"findings": findings, "metrics": metrics}
    groups = cluster_scores(scores, seed=seed)
    if unlike is None:
        groups.save(out / "report", command=command_line(), overwrite=True)
        return {"findings": groups.findings(), "metrics": {}}
    unlike.save(out / "report", command=command_line(), overwrite=True)
    groups.save(out / "clusters", command=command_line(), overwrite=True)
    return {"findings": [*unlike.findings(), *groups.findings()], "metrics": {}}
