"""Curves and samples of a training as TensorBoard reads them: the run's own records, said once more."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from PIL import Image

from gan_probe.errors import MissingError
from gan_probe.names import check_name
from gan_probe.training.runs.folder import HEALTH_FILE, METRICS_FILE

FOLDER = "tensorboard"
LOGS = ("tensorboard",)  # what --log takes


def check_log(log: str | None) -> None:
    """Raise where a log is unknown, or what writes it is not there.

    Raises
    ------
    ConfigError, MissingError
        With what is known, and with what to install.
    """
    if log is not None:
        check_name("log", log, LOGS)
        _writer()


def _writer() -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise MissingError("--log tensorboard needs TensorBoard: pip install 'gan-probe[tensorboard]'.") from error
    return SummaryWriter


class Events:
    """Follows a run folder and writes what is new in it to ``RUN/tensorboard``.

    An older folder of events is replaced with the first update: what a resumed training took back is not in it.
    """

    def __init__(self, run: Path) -> None:
        self.run = run
        self._writer: Any = None
        self._read = dict.fromkeys((METRICS_FILE, HEALTH_FILE), 0)  # bytes
        self._samples: set[str] = set()

    def update(self) -> None:
        """Write the steps, the health and the samples that have come since the last time."""
        if self._writer is None:
            folder = self.run / FOLDER
            shutil.rmtree(folder, ignore_errors=True)
            self._writer = _writer()(str(folder))
        for name, prefix in ((METRICS_FILE, "training"), (HEALTH_FILE, "health")):
            for row in self._new_rows(name):
                for key, value in row.items():
                    if key != "step" and isinstance(value, int | float) and math.isfinite(value):
                        self._writer.add_scalar(f"{prefix}/{key}", value, row["step"])
        for path in sorted((self.run / "samples").glob("step-*.png")):
            if path.name not in self._samples:
                self._samples.add(path.name)
                with Image.open(path) as sheet:
                    pixels = np.asarray(sheet.convert("RGB"))
                step = int(path.stem.removeprefix("step-"))
                self._writer.add_image("samples", pixels, step, dataformats="HWC")

    def _new_rows(self, name: str) -> list[dict[str, Any]]:
        """Return the whole lines of a record that were not read yet."""
        if not (self.run / name).is_file():
            return []
        with (self.run / name).open("rb") as file:
            file.seek(self._read[name])
            whole = file.read().rpartition(b"\n")[0]
        self._read[name] += len(whole) + bool(whole)
        return [json.loads(line) for line in whole.splitlines()]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Write what came last, also where the training ended early."""
        if self._writer is not None:
            self.update()
            self._writer.close()
