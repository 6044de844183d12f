"""What can go wrong, each with the exit code that the command line returns for it."""

from __future__ import annotations


class GanProbeError(Exception):
    """Base of every error raised on purpose; the message says what was wrong and what to do."""

    exit_code = 1


class InputError(GanProbeError, ValueError):
    """Data, a file or a folder cannot be used as given."""

    exit_code = 3


class ConfigError(GanProbeError, ValueError):
    """A setting is unknown or out of range."""

    exit_code = 3


class GateError(GanProbeError):
    """A quality gate (``--fail-if``) was not met."""

    exit_code = 4


class MissingError(GanProbeError, ImportError):
    """An optional package or a device is not there."""

    exit_code = 6
