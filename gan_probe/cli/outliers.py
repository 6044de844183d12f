"""``gan-probe outliers``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gan_probe.cli.options import (
    DATA_HELP,
    Device,
    DryRun,
    Json,
    Overwrite,
    Seed,
    SizePx,
    Title,
    TrustCode,
    check_file_free,
    check_gate,
    gate_option,
    refuse_given,
)
from gan_probe.cli.run_study import check_readable, check_start, finish, open_critic, open_images, parts, tell
from gan_probe.cli.session import Session
from gan_probe.errors import ConfigError
from gan_probe.studies.outliers.metrics import OutlierMetrics

if TYPE_CHECKING:
    from gan_probe.studies.outliers.result import OutlierResult

AUTO = "auto"


def outliers(
    source: Annotated[
        Path, typer.Argument(metavar="SCORES|CRITIC", help="A table made by gan-probe score; or, with DATA, a critic.")
    ],
    data: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="DATA", help=f"Images to be judged by a critic's layers, not its score alone. {DATA_HELP}"
        ),
    ] = None,
    reals: Annotated[
        Path | None,
        typer.Option(
            help="With DATA: real images to compare with. Those of its training data that the training held out"
            " calibrate; of other images a random half, which the critic must not have been trained on. Of SCORES: a"
            " table of scores of held-out reals by the same critic. Default: those kept beside the critic."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="CSV to write, default outliers.csv; with DATA the report folder, default outliers."),
    ] = None,
    detector: Annotated[
        str, typer.Option(help="With DATA: a detector, or auto: the best on outliers made of the reals.")
    ] = AUTO,
    controls: Annotated[
        bool, typer.Option(help="With DATA: the same of randomly initialised critics, pixels, HOG, k-means patches.")
    ] = True,
    fdr: Annotated[
        float, typer.Option(help="Share of the images called outliers that may be called so wrongly, on average.")
    ] = 0.1,
    two_sided: Annotated[
        bool, typer.Option("--two-sided", help="Flag unusually high scores, too: some critics rank the unknown high.")
    ] = False,
    fail_if: Annotated[str | None, gate_option(OutlierMetrics)] = None,
    title: Title = None,
    size: SizePx = None,
    device: Device = "auto",
    trust_code: TrustCode = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Find images unlike the training data, with a bound on the share of false alarms.

    Of SCORES by the score alone; of a CRITIC and DATA by its layers, with a page.
    """
    with Session("outliers", json) as session:
        _check_words(data, reals=reals, detector=detector, two_sided=two_sided)
        if data is None:
            refuse_given(
                {
                    "--title": title, "--size": size, "--device": device != "auto", "--trust-code": trust_code,
                    "--no-controls": not controls,
                },
                "for a critic and images (CRITIC DATA); leave it out with a table of scores.",
            )  # fmt: skip
            out = out or Path("outliers.csv")
            result = _of_scores(
                session, source, reals, out=out, fdr=fdr, two_sided=two_sided, fail_if=fail_if, seed=seed,
                overwrite=overwrite, dry_run=dry_run,
            )  # fmt: skip
            tell(session, result, tables=_tables(result))
            session.say(f"p-value of each image: {out}")
            check_gate(fail_if, session.metrics)
            return
        out = out or Path("outliers")
        check_start(out, overwrite=overwrite, fail_if=fail_if, metrics=OutlierMetrics)
        from gan_probe.studies.outliers.detection import detect_outliers

        assert reals is not None  # _check_words
        critic = open_critic(source, device, trust_code=trust_code)
        images, real_images = (open_images(session, some, critic=critic, size=size) for some in (data, reals))
        plan = {"critic": source, "images": len(images), "reals": len(real_images), "detector": detector, "out": out}
        session.plan(dry_run, plan)
        session.hold(out)
        with parts(session, "detecting") as on_step:
            result = detect_outliers(
                critic, images, real_images, detector="score-two-sided" if two_sided else detector, controls=controls,
                fdr=fdr, seed=seed, on_step=on_step,
            )  # fmt: skip
        told = [*images.warnings, *real_images.warnings]
        finish(session, result, out, title=title, overwrite=overwrite, fail_if=fail_if, told=told,
               tables=_tables(result))  # fmt: skip


def _check_words(data: Sequence[Path] | None, *, reals: Path | None, detector: str, two_sided: bool) -> None:
    """Raise where words of the two ways are mixed."""
    if data is None and detector != AUTO:
        raise ConfigError(
            "--detector is for a critic and images: gan-probe outliers CRITIC DATA --reals REALS. A table of scores has"
            " --two-sided."
        )
    if data is not None and reals is None:
        raise ConfigError(
            "detectors compare images with real ones: name some with --reals, such as the critic's training data."
        )
    if two_sided and detector != AUTO:
        raise ConfigError(f"--two-sided is the detector score-two-sided, got --detector {detector}, too; choose one.")


def _of_scores(
    session: Session, scores: Path, reals: Path | None, *, out: Path, fdr: float, two_sided: bool,
    fail_if: str | None, seed: int, overwrite: bool, dry_run: bool,
) -> OutlierResult:  # fmt: skip
    """Return what the score alone says, and write it as CSV."""
    check_file_free(out, overwrite, suffix=".csv")
    check_readable(fail_if, OutlierMetrics)  # before torch is waited for
    from gan_probe.scoring.table import read_scores
    from gan_probe.studies.outliers.study import outliers as find_outliers
    from gan_probe.text import as_csv
    from synthetic.files import write_atomically

    loaded = read_scores(scores)
    known = None if reals is None else read_scores(reals)
    session.plan(dry_run, {"scores": scores, "images": len(loaded.table), "reals": reals, "out": out})
    session.hold(out)
    direction = "two-sided" if two_sided else "low"
    result = find_outliers(loaded, known, direction=direction, fdr=fdr, seed=seed)
    write_atomically(out, as_csv(result.table), overwrite=overwrite)
    session.outputs["outliers"] = str(out)
    return result


def _tables(result: OutlierResult) -> list[object]:
    from gan_probe.report.outliers import detection_table

    return [detection_table(result)] if result.detections else []
