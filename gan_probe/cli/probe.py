"""``gan-probe probe``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.session import (
    Device,
    DryRun,
    Json,
    Overwrite,
    Seed,
    Session,
    SizePx,
    TrustCode,
    check_gate,
    command_line,
    parse_gate,
)

GATE_NAMES = ("accuracy", "excess", "ci_low", "ci_high")


def probe(
    critic: Annotated[Path, typer.Argument(help="A run folder, a snapshot of one, or a critic folder.")],
    data: Annotated[Path, typer.Argument(help="Images with labels; rows of split 'test' are tested on, if there are.")],
    out: Annotated[Path, typer.Option(help="The report folder to write.")],
    per_class: Annotated[
        list[int] | None,
        typer.Option("--labels", help="Labels a class; repeatable. Default: 1, 2, 5, 10, ... up to all."),
    ] = None,
    draws: Annotated[int, typer.Option(help="How often labels are drawn at each number.", min=2)] = 100,
    classifiers: Annotated[
        list[str] | None, typer.Option("--classifier", help="linear or knn; repeatable. Default: both.")
    ] = None,
    pooling: Annotated[str, typer.Option(help="Of the features: grid4 (as in DCGAN), mean, std or max.")] = "grid4",
    max_pool: Annotated[
        int, typer.Option(help="Images at most that labels are drawn from; more are thinned by class.", min=4)
    ] = 20_000,
    controls: Annotated[
        bool, typer.Option("--controls/--no-controls", help="Probe what the critic must beat, too.")
    ] = True,
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
    fail_if: Annotated[
        str | None,
        typer.Option(
            metavar="NAME<NUMBER",
            help=f"Exit with 4 when this holds (linear, at the number of labels nearest to 10). Names: "
            f"{', '.join(GATE_NAMES)}.",
        ),
    ] = None,
    batch_size: Annotated[int, typer.Option(help="Images at a time.", min=1)] = 256,
    size: SizePx = None,
    trust_code: TrustCode = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Ask how many labels the critic's features need, beside untrained critics, pixels, PCA, HOG, k-means."""
    with Session("probe", json) as session:
        from rich.table import Table

        from gan_probe.critics.critic import Critic
        from gan_probe.device import resolve_device
        from gan_probe.images.readers.reading import read_images
        from gan_probe.report.page import MARKER
        from gan_probe.report.probe import ProbeMaterial, write_probe
        from gan_probe.studies.probe.result import CLASSIFIERS, findings
        from gan_probe.studies.probe.study import probe
        from synthetic.files import check_free

        check_free(out, marker=MARKER, overwrite=overwrite)
        if fail_if is not None:
            parse_gate(fail_if, GATE_NAMES)
        loaded = Critic.load(critic, resolve_device(device), trust_code=trust_code)
        images = read_images(data, size_px=size, skip_bad=True)
        session.warn(images.warnings)
        session.n_skipped = images.n_skipped
        chosen = tuple(classifiers or CLASSIFIERS)
        session.plan(
            dry_run,
            {
                "critic": f"{critic} ({loaded.hash})",
                "images": len(images),
                "labels a class": ", ".join(map(str, per_class)) if per_class else "1, 2, 5, 10, ... up to all",
                "draws": draws,
                "classifiers": ", ".join(chosen),
                "controls": controls,
                "out": out,
            },
        )
        with session.progress("probing") as update:
            n_done = 0

            def on_step(note: str) -> None:
                nonlocal n_done
                n_done += 1
                update(n_done, note)

            result = probe(
                loaded,
                images,
                per_class=per_class,
                n_draws=draws,
                classifiers=chosen,
                pooling=pooling,
                max_pool=max_pool,
                controls=controls,
                batch_size=batch_size,
                seed=seed,
                on_step=on_step,
            )
        session.warn(w for w in result.warnings if w not in images.warnings)
        write_probe(
            ProbeMaterial(result, title or "How many labels the critic's features need", command_line()),
            out,
            overwrite=overwrite,
        )
        table = Table("classifier", "labels a class", "critic", "best control", "", "difference (points)", box=None)
        for classifier in result.classifiers:
            for lead, rival, found in result.against(result.controls, classifier):
                table.add_row(
                    classifier,
                    str(lead.per_class),
                    f"{lead.accuracy():.1%}",
                    rival.representation,
                    f"{rival.accuracy():.1%}",
                    str(found).replace(" points", ""),
                )
        session.show(table)
        for line in findings(result):
            session.say(f"- {line}")
        session.say(f"report: {out / 'report.html'}")
        session.outputs["report"] = str(out / "report.html")
        session.metrics |= result.headline()
        check_gate(fail_if, session.metrics)
