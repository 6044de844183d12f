"""Tasks whose process is killed in the middle; apart from tests, so that processes import little."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gan_probe.scoring.engines import Engine, Local


@dataclass(frozen=True)
class Fatal:
    """A task whose process is killed in the middle, the first so many times that it is done for an item."""

    task: Callable[[tuple[int, object]], str]
    folder: Path
    times: int

    def __call__(self, item: tuple[int, object]) -> str:
        for attempt in range(self.times):
            mark = self.folder / f"{item[0]}-{attempt}"
            if not mark.exists():
                mark.touch()
                self.task(item)  # so the part is there, and will be written again
                os.kill(os.getpid(), signal.SIGKILL)
        return self.task(item)


@dataclass(frozen=True)
class Deadly(Local):
    """An engine that gives another one tasks that kill."""

    engine: Engine
    folder: Path
    times: int = 1

    def each(self, task, items, *, progress=iter):  # type: ignore[no-untyped-def]
        return self.engine.each(Fatal(task, self.folder, self.times), items, progress=progress)


def nothing(item: tuple[int, object]) -> str:
    """A task that does nothing."""
    return ""
