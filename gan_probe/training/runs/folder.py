"""The folder of one training: what is written there, when, and how it is read back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from gan_probe.config import TrainConfig
from gan_probe.critics.identity import digest_of
from gan_probe.errors import ConfigError, InputError
from gan_probe.places import RUN, hint
from gan_probe.records import CHECKSUM, read_record, regular
from gan_probe.training.runs.diagnosis import diagnosis_of
from gan_probe.training.step import State
from synthetic.files import write_atomically
from synthetic.spec import is_integer

SCHEMA = "gan_probe.run/1"
MARKER = "config.json"


@dataclass(frozen=True)
class RunFolder:
    """Paths and records of one training."""

    path: Path

    @property
    def checkpoint(self) -> Path:
        """The whole state of the training, in one file, so that it is replaced in one rename."""
        return self.path / "checkpoint.safetensors"

    @property
    def critic(self) -> Path:
        """The finished critic."""
        return self.path / "critic"

    @property
    def generator(self) -> Path:
        """The finished generator."""
        return self.path / "generator"

    def snapshot(self, step: int) -> Path:
        """The critic as it was after ``step`` steps."""
        return self.path / "snapshots" / f"step-{step:06d}"

    def snapshots(self) -> dict[int, Path]:
        """Return the snapshots by their steps, sorted; empty where there are none. Each appeared whole."""
        found = {
            int(path.name[5:]): path
            for path in (self.path / "snapshots").glob("step-*")
            if re.fullmatch("step-[0-9]+", path.name)
        }
        return dict(sorted(found.items()))

    def late_snapshots(self) -> dict[int, Path]:
        """Return those of the second half of the training's steps.

        Raises
        ------
        InputError
            When this is not a run folder, or there are none.
        """
        steps = self.read_config()[0].steps
        found = {step: path for step, path in self.snapshots().items() if 2 * step >= steps}
        if not found:
            raise InputError(
                f"{self.path} has no snapshots from step {math.ceil(steps / 2)} on. Train with --set late_snapshots=5."
            )
        return found

    def sample_sheet(self, step: int) -> Path:
        """Images made by the generator after ``step`` steps."""
        return self.path / "samples" / f"step-{step:06d}.png"

    # --- settings ---

    def write_config(self, config: TrainConfig, origins: Mapping[str, str], facts: Mapping[str, Any]) -> None:
        """Record every setting with its value and origin ("default", "preset compact", "given")."""
        settings = {k: {"value": v, "origin": origins.get(k, "default")} for k, v in config.as_dict().items()}
        record = {"schema": SCHEMA, **facts, "settings": settings}
        write_atomically(self.path / MARKER, json.dumps(record, indent=2) + "\n")

    def read_config(self) -> tuple[TrainConfig, dict[str, Any]]:
        """Return the settings, and the other facts of ``config.json``.

        Raises
        ------
        InputError
            When this is not a run folder, or one of another version.
        """
        try:
            record = read_record(self.path / MARKER)
            schema, settings = record.pop("schema"), record.pop("settings")
        except (OSError, KeyError, AttributeError, TypeError, ValueError) as error:
            raise InputError(
                f"{self.path} is not a run folder: its {MARKER} is missing or broken ({error}).{hint(self.path, RUN)}"
            ) from error
        if schema != SCHEMA:
            raise InputError(f"{self.path} has schema {schema!r}; this version reads {SCHEMA!r}.")
        try:
            return TrainConfig().updated({k: v["value"] for k, v in settings.items()}), record
        except (AttributeError, KeyError, TypeError, ConfigError) as error:
            raise InputError(f"the settings in {self.path / MARKER} are broken: {error}.") from error

    # --- metrics ---

    def append_metrics(self, rows: Iterable[Mapping[str, float]]) -> None:
        """Add lines to ``metrics.jsonl``."""
        with (self.path / METRICS_FILE).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)

    def read_metrics(self) -> pd.DataFrame:
        """Return one row a step, columns `METRICS`; NaN where an older version did not measure something.

        A last line that a kill cut short is left out.
        """
        return pd.DataFrame(_read_lines(self.path, METRICS_FILE), columns=METRICS)

    def append_health(self, row: Mapping[str, Any]) -> None:
        """Add a line to ``health.jsonl``: what `gan_probe.training.runs.health` found at a snapshot."""
        with (self.path / HEALTH_FILE).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def read_health(self) -> list[dict[str, Any]]:
        """Return the lines of ``health.jsonl``, one for each snapshot."""
        return _read_lines(self.path, HEALTH_FILE)

    def diagnosis(self) -> list[str]:
        """Return what the records say of the training, in plain words."""
        return diagnosis_of(self.read_metrics(), self.read_health(), self.read_config()[0].as_dict())

    def forget_after(self, step: int) -> float:
        """Drop the records of later steps, which a resumed training takes again; return the seconds spent so far."""
        kept: list[dict[str, Any]] = []
        for name in (HEALTH_FILE, METRICS_FILE):
            kept = [row for row in _read_lines(self.path, name) if row["step"] <= step]
            write_atomically(self.path / name, "".join(json.dumps(row) + "\n" for row in kept))
        return float(kept[-1]["elapsed_s"]) if kept else 0.0

    # --- state ---

    def write_checkpoint(self, state: State) -> None:
        """Save the whole state of a training."""
        tensors, facts = _flat(state), {"step": state.step}
        told = json.dumps({**facts, CHECKSUM: digest_of(facts, tensors)})
        write_atomically(self.checkpoint, save(tensors, metadata={SCHEMA: told}))  # several keys have no order

    def read_checkpoint(self, state: State) -> None:
        """Put the saved state into ``state``.

        Raises
        ------
        InputError
            When the file is broken or does not fit.
        """
        try:
            with safe_open(regular(self.checkpoint), framework="pt") as file:
                told = file.metadata() or {}
                saved = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            facts = json.loads(told[SCHEMA]) if SCHEMA in told else {"step": int(told["step"])}  # of older versions
            step = facts["step"]
            if facts.get(CHECKSUM, "") != digest_of({"step": step}, saved) and SCHEMA in told:
                raise ValueError("it was changed since it was saved: what it holds does not fit its checksum")
            _restore(state, saved)
        except (OSError, KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
            raise InputError(
                f"{self.checkpoint} cannot be resumed from: {error}. Train anew in another folder."
            ) from error
        state.step = step


def _read_lines(folder: Path, name: str) -> list[dict[str, Any]]:
    """Return the records of a file of JSON lines.

    Raises
    ------
    InputError
        For a line that is no whole record; but for one without an end, the last, which a kill cut short.
    """
    path, rows = folder / name, list[dict[str, Any]]()
    lines = regular(path).read_bytes().split(b"\n") if path.exists() else []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        if _is_row(row, name):
            rows.append(row)
        elif number < len(lines) or not _was_cut_short(line):
            raise InputError(
                f"{path}: line {number} of {len(lines)} is no whole record of a training: the file was damaged."
                " Bring the old one back, or train anew."
            )
    return rows


def _was_cut_short(line: bytes) -> bool:
    """Return whether a last line is the beginning of one, or nothing: what a kill leaves."""
    return not line or (line.startswith(b"{") and line.isascii())


def _is_row(row: Any, name: str) -> bool:
    """Return whether a line says what such a line says: a step, and numbers, or None for what was not measured."""
    if not isinstance(row, dict) or not all(_is_number(row.get(key)) for key in NEEDED[name]):
        return False
    known = [row[key] for key in (*METRICS, *HEALTH) if row.get(key) is not None]
    return is_integer(row["step"]) and row["step"] >= 0 and all(map(_is_number, known))


def _is_number(value: object) -> bool:
    return isinstance(value, float) or (is_integer(value) and abs(float(str(value))) < math.inf)


METRICS_FILE, HEALTH_FILE = "metrics.jsonl", "health.jsonl"
NEEDED = {METRICS_FILE: ("step", "elapsed_s"), HEALTH_FILE: ("step", "diversity", "distance")}
METRICS = [
    "step", "w_distance", "penalty", "critic_loss", "generator_loss", "critic_accuracy", "critic_gradient",
    "generator_gradient", "auxiliary_loss", "elapsed_s",
]  # fmt: skip
HEALTH = ("diversity", "distance", "training_preference", "n_held_out", "n_classes", "n_covered", "classifier_accuracy")


def _flat(state: State) -> dict[str, Tensor]:
    """Return every tensor of a state under one name each."""
    tensors: dict[str, Tensor] = {}
    for part, module in state.modules().items():
        tensors |= {
            f"{part}/{k}": v.detach().cpu().clone(memory_format=torch.contiguous_format)
            for k, v in module.state_dict().items()
        }
    for part, optimizer in state.optimizers().items():
        for index, values in optimizer.state_dict()["state"].items():
            tensors |= {
                f"{part}/{index}/{k}": torch.as_tensor(v).cpu().clone(memory_format=torch.contiguous_format)
                for k, v in values.items()
            }
    return tensors


def _restore(state: State, saved: Mapping[str, Tensor]) -> None:
    for part, module in state.modules().items():
        prefix = f"{part}/"
        module.load_state_dict({k.removeprefix(prefix): v for k, v in saved.items() if k.startswith(prefix)})
    for part, optimizer in state.optimizers().items():
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in saved.items():
            if name.startswith(f"{part}/"):
                _, index, key = name.split("/")
                moments.setdefault(int(index), {})[key] = value
        optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})


def open_run(path: Path, *, config: TrainConfig, fingerprint: str) -> RunFolder:
    """Return a run folder that may be resumed with ``config`` on the data of ``fingerprint``.

    Raises
    ------
    InputError
        When it is no run folder, or its data was another.
    ConfigError
        When a setting differs from the one it was started with.
    """
    run = RunFolder(path)
    saved, facts = run.read_config()
    if facts.get("data_fingerprint") != fingerprint:
        raise InputError(
            f"{path} was trained on other data (fingerprint {facts.get('data_fingerprint')}, now {fingerprint})."
        )
    differing = [
        f"{k} (was {v!r}, now {getattr(config, k)!r})" for k, v in saved.as_dict().items() if getattr(config, k) != v
    ]
    if differing:
        raise ConfigError(
            f"{path} was started with other settings: {', '.join(differing)}. Leave them out, or start anew."
        )
    return run
