"""What trainings add to the embedding: linear probes, few labels, clusters without labels, each beside its controls.

OMP_NUM_THREADS=1 python benchmarks/embeddings.py NAME DATA RUN [RUN ...] [--pooling mean]

The runs are trainings of one recipe with other seeds; DATA has labels. Intervals are over new images and new trainings.
Writes ``records/embeddings-NAME.json``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import record

from gan_probe.critics.critic import Critic
from gan_probe.images.readers.reading import read_images
from gan_probe.scoring.score import score
from gan_probe.scoring.table import CRITIC_ROWS
from gan_probe.stats.beside import RANDOM_INIT
from gan_probe.stats.clustering import cluster
from gan_probe.studies.separation.analysis import measure_margins
from gan_probe.training import RunFolder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("data", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--pooling", default="mean")
    arguments = parser.parse_args()
    images = read_images(arguments.data)
    tables = [score(Critic.load(run), images, pooling=arguments.pooling) for run in arguments.runs]
    first = tables[0]
    labels = first.table["label"].astype(str).to_numpy()
    measures = measure_margins(tables, first.scores_beside(), labels)
    sources = {f"critic.{i}": (CRITIC_ROWS, t.embeddings[CRITIC_ROWS]) for i, t in enumerate(tables)}
    sources |= {s.short: (s, rows) for s, rows in first.embeddings.items() if s != CRITIC_ROWS}
    chosen: dict[str, dict[str, Any]] = {}
    for name, (source, rows) in sources.items():
        found = cluster(rows, labels, standardise=not source.shares_unit)
        c = next(c for c in found if c.is_chosen)
        chosen[name] = {"ari": round(c.ari, 4), "method": c.method, "k": c.k}
    config, _ = RunFolder(arguments.runs[0]).read_config()
    record.save(
        f"embeddings-{arguments.name}",
        {
            "what": f"embeddings of {len(tables)} trainings on {len(labels)} images of {len(set(labels))} classes",
            "steps": config.steps,
            "pooling": arguments.pooling,
            "measures": [
                {
                    "measure": e.measure,
                    "critic": [round(v, 4) for v in (e.value, e.ci_low, e.ci_high)],
                    "best_control": e.best_control,
                    "margin": [round(v, 4) for v in (e.margin, e.margin_low, e.margin_high)],
                    "controls": {name: round(v, 4) for name, v in e.controls.items()},
                    "chance": round(e.chance, 4),
                }
                for e in measures
            ],
            "clusters_chosen_without_labels": {
                "critic": record.spread([v["ari"] for n, v in chosen.items() if n.startswith("critic.")]),
                "random_init": record.spread([v["ari"] for n, v in chosen.items() if n.startswith(RANDOM_INIT)]),
                "each": chosen,
            },
        },
    )


if __name__ == "__main__":
    main()
