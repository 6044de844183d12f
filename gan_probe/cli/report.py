"""``gan-probe report``: the study `separation`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.options import (
    DryRun,
    Json,
    Overwrite,
    ReportFolder,
    Seed,
    Title,
    gate_option,
    refuse_given,
)
from gan_probe.cli.run_study import check_start, finish, parts
from gan_probe.cli.session import Session
from gan_probe.errors import ConfigError
from gan_probe.studies.separation.metrics import SeparationMetrics


def report(
    scores: Annotated[
        list[Path],
        typer.Argument(
            help="Tables made by gan-probe score: of one critic, or of several trainings on the same images."
        ),
    ],
    out: ReportFolder,
    run: Annotated[
        Path | None, typer.Option(help="The run folder, for training curves. Default: where the critic came from.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="The data set, for pictures. Default: where the images came from.")
    ] = None,
    title: Title = None,
    reference: Annotated[
        str | None, typer.Option(help="Class from which distances are measured. Default: the first seen one.")
    ] = None,
    projection: Annotated[str, typer.Option(help="2-D view of the embeddings: pca, tsne or umap.")] = "pca",
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Put critics, runs or snapshots side by side, a column a table, with differences paired by image.",
        ),
    ] = False,
    thumbnails: Annotated[bool, typer.Option(help="Show small pictures of the images on the page.")] = True,
    fail_if: Annotated[str | None, gate_option(SeparationMetrics)] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Write a report: one HTML page that works offline, figures, and every number as JSON."""
    with Session("report", json) as session:
        check_start(out, overwrite=overwrite, fail_if=fail_if, metrics=SeparationMetrics)
        from gan_probe.scoring.table import by_critic, read_scores
        from gan_probe.studies.separation.analysis import N_PARTS
        from gan_probe.studies.separation.study import separation
        from gan_probe.studies.unlabelled.study import has_classes, unlabelled

        if compare:
            refuse_given(
                {
                    "--run": run, "--data": data, "--reference": reference, "--projection": projection != "pca",
                    "--no-thumbnails": not thumbnails,
                },
                "of one critic's report; leave it out, or leave out --compare.",
            )  # fmt: skip
            return _compare(session, scores, out, title=title, overwrite=overwrite, dry_run=dry_run, seed=seed,
                            fail_if=fail_if)  # fmt: skip
        loaded = by_critic([read_scores(path) for path in scores])
        named, n_images = ", ".join(map(str, scores)), len(loaded[0].table)
        session.plan(dry_run, {"scores": named, "images": n_images, "trainings": len(loaded), "out": out})
        session.hold(out)
        if not has_classes(loaded[0]):
            refuse_given({"--reference": reference}, "a class, and these scores have no two of them.")
            with session.progress("analysing"):
                bare = unlabelled(
                    loaded[0], run=run, data=data, projection=projection, thumbnails=thumbnails, seed=seed
                )
            return finish(session, bare, out, title=title, overwrite=overwrite, fail_if=fail_if)
        with parts(session, "analysing", N_PARTS) as on_step:
            result = separation(
                loaded,
                reference=reference,
                run=run,
                data=data,
                projection=projection,
                thumbnails=thumbnails,
                seed=seed,
                on_step=on_step,
            )
        return finish(session, result, out, title=title, overwrite=overwrite, fail_if=fail_if)


def _compare(
    session: Session,
    paths: list[Path],
    out: Path,
    *,
    title: str | None,
    overwrite: bool,
    dry_run: bool,
    seed: int,
    fail_if: str | None,
) -> None:
    """Write the page of several tables as columns."""
    from gan_probe.scoring.table import read_scores
    from gan_probe.studies.comparison.study import column_names, comparison

    if fail_if is not None:
        raise ConfigError("--fail-if is of one critic; with --compare read report.json, which has every difference.")
    tables = dict(zip(column_names(paths), (read_scores(path) for path in paths), strict=True))
    session.plan(dry_run, {"critics": ", ".join(tables), "out": out})
    session.hold(out)
    with parts(session, "comparing", len(tables)) as on_step:
        result = comparison(tables, seed=seed, on_step=on_step)
    finish(session, result, out, title=title, overwrite=overwrite)
