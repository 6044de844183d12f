"""A folder of scores: where its files lie, what is missing, and how all its rows are read; no torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from gan_probe.errors import InputError
from gan_probe.places import SCORES, hint
from gan_probe.records import check_seal, read_record, read_table
from gan_probe.scoring.summary import Summary, read_summary

SCHEMA = "gan_probe.shards/1"
MARKER, SUMMARY, SAMPLE = "scores.json", "summary.parquet", "sample.parquet"


@dataclass(frozen=True)
class ScoreFolder:
    """A folder that ``gan-probe score --out FOLDER`` writes."""

    path: Path

    @cached_property
    def plan(self) -> dict[str, Any]:
        """What was to be done: ``scores.json``.

        Raises
        ------
        InputError
            When it is missing or damaged.
        """
        file = self.path / MARKER
        try:
            record = read_record(file)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{self.path} is no folder of scores: {MARKER} cannot be read ({error}).{hint(self.path, SCORES)}"
            ) from error
        check_seal(record, file)
        if record.get("schema") != SCHEMA:
            raise InputError(f"{file} has schema {record.get('schema')!r}; this version reads {SCHEMA!r}. Score again.")
        return record

    def part_of(self, number: int) -> Path:
        """Where the rows of a shard stand."""
        return self.path / "parts" / f"{number:06d}.parquet"

    def summary_of(self, number: int) -> Path:
        """Where the summary of a shard stands."""
        return self.path / "summaries" / f"{number:06d}.parquet"

    def is_done(self, number: int) -> bool:
        """Return whether a shard was scored: its part is written last, and whole or not at all."""
        return self.part_of(number).is_file() and self.summary_of(number).is_file()

    @property
    def is_complete(self) -> bool:
        """Whether sample and summary are there."""
        return (self.path / SAMPLE).is_file() and (self.path / SUMMARY).is_file()

    def check_complete(self) -> None:
        """Raise `InputError` unless every shard was scored."""
        n = len(self.plan["shards"])
        missing = [number for number in range(n) if not self.is_done(number)]
        if missing or not self.is_complete:
            raise InputError(
                f"{self.path} is not finished: {len(missing)} of {n} shards are missing. Give the command that made it"
                " again, with --resume."
            )

    @property
    def summary(self) -> Summary:
        """What is kept of all images."""
        self.check_complete()
        return read_summary(self.path / SUMMARY)

    def columns(self, *names: str) -> Iterator[pd.DataFrame]:
        """Yield some columns of the rows of each shard, in order; those that a shard lacks are left out."""
        for number in range(len(self.plan["shards"])):
            there = pq.read_schema(self.part_of(number)).names
            yield pq.read_table(self.part_of(number), columns=[n for n in names if n in there]).to_pandas()

    def parts(self) -> Iterator[pd.DataFrame]:
        """Yield the rows of each shard, in order."""
        self.check_complete()
        for number in range(len(self.plan["shards"])):
            yield read_table(self.part_of(number)).to_pandas()

    def table(self) -> pd.DataFrame:
        """Return the rows of all shards; it must fit in memory."""
        return pd.concat(self.parts(), ignore_index=True)
