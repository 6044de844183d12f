"""``gan-probe demo``: the article's experiment, from nothing to a report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from gan_probe.cli.options import Device, DryRun, Json, Overwrite, Seed, check_gate, command_line, gate_option
from gan_probe.cli.run_study import check_readable, parts, save, score_to, tell, train_critic
from gan_probe.cli.session import Session
from gan_probe.config import TrainConfig
from gan_probe.config import preset as find_preset
from gan_probe.studies.separation.metrics import SeparationMetrics
from gan_probe.verdicts import Verdict, always, conclude

MARKER = "demo.json"
SCHEMA = "gan_probe.demo/1"


@dataclass(frozen=True)
class DemoFacts:
    """What the last sentences of the demo are made of."""

    out: Path
    n_threads: int
    steps: int

    @property
    def threads(self) -> str:
        """How many threads torch ran on, in words."""
        return f"{self.n_threads} thread{'s' if self.n_threads > 1 else ''}"


VERDICTS: tuple[Verdict[DemoFacts], ...] = (
    Verdict(
        name="one training",
        when="always: the demo trains once",
        holds=always,
        says="All this is of one training of {steps} steps, here on {threads}, and one training is no verdict:"
        " with two threads in place of one, or another seed, the score has lost to its best control where it had won,"
        " and separated 43 pairs in place of 45.",
    ),
    Verdict(
        name="judge by several",
        when="always",
        holds=always,
        says="To judge, train several: gan-probe train {out}/data-train --runs 5 --out {out}/runs; score"
        " {out}/data-test with each, and give gan-probe report all five tables. Its intervals are then over"
        " trainings, too.",
    ),
)


def demo(
    out: Annotated[Path, typer.Option(help="Folder to write.")] = Path("gan-probe-demo"),
    steps: Annotated[int | None, typer.Option(help="Generator updates, in place of the recipe's.", min=1)] = None,
    per_class: Annotated[int | None, typer.Option(help="Test images of each class.", min=8)] = None,
    fail_if: Annotated[str | None, gate_option(SeparationMetrics)] = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    device: Device = "cpu",
    dry_run: DryRun = False,
    json: Json = False,
) -> None:
    """Run the whole story: make data, train a critic on two classes, score ten, cluster them, write the report."""
    with Session("demo", json) as session:
        config = find_preset("compact").updated({"seed": seed} | ({"steps": steps} if steps else {}))
        check_readable(fail_if, SeparationMetrics)
        from gan_probe.device import resolve_device
        from synthetic.files import check_free

        resolve_device(device)
        check_free(out, marker=MARKER, overwrite=overwrite)
        session.plan(
            dry_run,
            {
                "training data": "article-train",
                "test data": "article-test",
                "steps": config.steps,
                "device": device,
                "out": out,
            },
        )
        session.hold(out)
        _begin(out, overwrite=overwrite, seed=seed)
        _run(session, out, config, per_class, seed, device)
        check_gate(fail_if, session.metrics)


def _begin(out: Path, *, overwrite: bool, seed: int) -> None:
    """Put a folder with nothing but the marker at ``out``; an older demo goes."""
    import json

    from synthetic.files import atomic_folder

    with atomic_folder(out, marker=MARKER, overwrite=overwrite) as folder:
        record = {"schema": SCHEMA, "command": command_line(), "seed": seed}
        (folder / MARKER).write_text(json.dumps(record) + "\n", encoding="utf-8")


def _run(session: Session, out: Path, config: TrainConfig, per_class: int | None, seed: int, device: str) -> None:
    from gan_probe.device import environment, resolve_device
    from gan_probe.images.readers.reading import read_images
    from gan_probe.studies.cluster.result import assignments
    from gan_probe.studies.separation.analysis import N_PARTS
    from gan_probe.studies.separation.study import separation
    from gan_probe.text import as_csv
    from synthetic import make_dataset, write_dataset
    from synthetic.files import write_atomically

    chosen = resolve_device(device)
    session.log("1/5 drawing two classes to train on and ten to test")
    write_dataset(make_dataset("article-train", seed=seed), out / "data-train")
    write_dataset(make_dataset("article-test", per_class=per_class, seed=seed), out / "data-test")
    session.log(f"2/5 training a critic on the two classes: {config.steps} steps on {chosen}")
    critic = train_critic(session, read_images(out / "data-train"), out / "run", config, device=chosen)
    session.log("3/5 scoring ten classes, eight of them never seen, and the controls")
    scores = score_to(session, critic, read_images(out / "data-test"), out / "scores.parquet")
    session.log("4/5 clustering without labels, 5/5 writing the report")
    with parts(session, "analysing", N_PARTS) as on_step:
        result = separation(scores, seed=seed, on_step=on_step)
    write_atomically(out / "clusters.csv", as_csv(assignments(result.table, result.clusterings)))
    session.outputs |= {"scores": str(out / "scores.parquet"), "run": str(out / "run")}
    tell(session, result)
    more = conclude(VERDICTS, DemoFacts(out, environment()["threads"], config.steps))
    for line in more:
        session.say(f"- {line}")
    session.metrics["findings"] += more
    save(session, result, out / "report", title="The article's experiment")
