"""Training a critic: pure losses, the step, the loop, and the folder that a run leaves behind."""

from gan_probe.training.loop import DivergedError, train
from gan_probe.training.runs.folder import RunFolder

__all__ = ["DivergedError", "RunFolder", "train"]
