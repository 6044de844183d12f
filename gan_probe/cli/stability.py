"""``gan-probe stability``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gan_probe.cli.session import (
    Device,
    DryRun,
    Json,
    Overwrite,
    Seed,
    Session,
    SizePx,
    Split,
    TrustCode,
    check_gate,
    check_plain,
    command_line,
    parse_gate,
    run_names,
)

if TYPE_CHECKING:
    from rich.table import Table

    from gan_probe.studies.stability.result import StabilityResult

AGREED = "agreed"
GATE_NAMES = ("reproducible_fraction", "ci_low", "kendall_w", "flip_rate")


def stability(
    runs: Annotated[list[Path], typer.Argument(help="Run folders of the same training with other seeds; at least 3.")],
    data: Annotated[Path, typer.Option(help="Images with labels, such as the test set.")],
    out: Annotated[Path, typer.Option(help="The report folder to write.")],
    step: Annotated[
        str | None,
        typer.Option(
            help="Compare the snapshots of this step in place of the finished critics; 'agreed': of each run the late"
            " snapshot that agrees best with the other runs, found without labels."
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(help="Folder of the same runs, by name, trained otherwise: which training is more reproducible?"),
    ] = None,
    controls: Annotated[
        bool, typer.Option("--controls/--no-controls", help="Ask the same of untrained critics, too.")
    ] = True,
    nulls: Annotated[
        bool,
        typer.Option("--nulls", help="Add 40 blank, noise, phase-scrambled and pixel-shuffled images, as a class."),
    ] = False,
    skip_diverged: Annotated[
        bool, typer.Option("--skip-diverged", help="Leave critics out whose scores are not numbers, or all the same.")
    ] = False,
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
    fail_if: Annotated[
        str | None,
        typer.Option(metavar="NAME<NUMBER", help=f"Exit with 4 when this holds. Names: {', '.join(GATE_NAMES)}."),
    ] = None,
    split: Split = None,
    size: SizePx = None,
    trust_code: TrustCode = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    device: Device = "auto",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Ask whether scores and embeddings survive a retraining: what is gauge, what is conflict, what runs agree on."""
    with Session("stability", json) as session:
        from rich.table import Table

        from gan_probe.critics.critic import Critic
        from gan_probe.device import resolve_device
        from gan_probe.images.readers.reading import read_images
        from gan_probe.report.page import MARKER
        from gan_probe.report.stability import write_stability
        from gan_probe.studies.stability.study import agreed_snapshots, at_step, stability
        from synthetic.files import check_free

        check_free(out, marker=MARKER, overwrite=overwrite)
        if fail_if is not None:
            parse_gate(fail_if, GATE_NAMES)
        named = run_names(runs)
        if against is not None:
            check_plain(named)
        rivals = None if against is None else {name: against / name for name in named}
        chosen = resolve_device(device)
        images = read_images(data, size_px=size, split=split, skip_bad=True)
        session.warn(images.warnings)
        session.n_skipped = images.n_skipped
        if step == AGREED:
            named = agreed_snapshots(named, images, seed=seed, device=chosen)
            session.metrics["snapshots"] = {name: path.name for name, path in named.items()}
        elif step is not None:
            named = at_step(named, _number(step))
        critics, others = (
            {name: Critic.load(run, chosen, trust_code=trust_code) for name, run in some.items()}
            for some in (named, rivals or {})
        )
        session.plan(
            dry_run,
            {
                "runs": ", ".join(named),
                "images": len(images),
                "controls": controls,
                "nulls": nulls,
                "against": against or "nothing",
                "out": out,
            },
        )
        with session.progress("comparing", (1 + controls) * len(critics) + len(others) + 2) as update:
            done: list[str] = []

            def on_step(name: str) -> None:
                done.append(name)
                update(len(done), name)

            result = stability(
                critics,
                images,
                against=others if rivals else None,
                controls=controls,
                nulls=nulls,
                skip_diverged=skip_diverged,
                seed=seed,
                on_step=on_step,
            )
        session.warn(w for w in result.warnings if w not in images.warnings)
        lines = write_stability(result, out, title=title or "", command=command_line(), overwrite=overwrite)
        table = Table("alignment", "reproducible", "95 % interval", "Kendall's W", "flips", box=None)
        for rung in result.rungs:
            table.add_row(
                rung.alignment, f"{rung.reproducible:.3f}", f"{rung.ci_low:.3f} to {rung.ci_high:.3f}",
                f"{rung.kendall_w:.3f}", f"{rung.flip_rate:.1%}",
            )  # fmt: skip
        session.show(table)
        alike = Table("over all pairs of runs", *result.similarities, "chance", box=None)
        for pairs in zip(*result.similarities.values(), strict=True):
            ends = [f"{pair.value:.3f} ({pair.ci_low:.3f} to {pair.ci_high:.3f})" for pair in pairs]
            alike.add_row(pairs[0].measure, *ends, f"{pairs[0].chance:.3f}")
        session.show(alike)
        session.show(_agreement(result, named))
        for line in lines:
            session.say(f"- {line}")
        session.say(f"report: {out / 'report.html'}")
        session.outputs |= {"report": str(out / "report.html"), "panel": str(out / "panel.csv")}
        session.metrics |= result.headline()
        check_gate(fail_if, session.metrics)


def _number(step: str) -> int:
    if not (step.isascii() and step.isdigit()):
        raise typer.BadParameter(f"--step takes the number of a step, or {AGREED!r}; got {step!r}.")
    return int(step)


def _agreement(result: StabilityResult, paths: Mapping[str, Path]) -> Table:
    """Return how each run agrees with the others, and which of its snapshots it is."""
    from rich.table import Table

    table = Table("run", "agrees with the others", "snapshot", box=None)
    for name, value in sorted(result.agreement.items(), key=lambda item: -item[1]):
        path = paths[name]
        table.add_row(name, f"{value:.2f}", path.name if path.parent.name == "snapshots" else "the finished critic")
    return table
