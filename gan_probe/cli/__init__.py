"""The command line: parse, call, print. Whatever takes long to import is imported inside the commands."""

from gan_probe.cli.app import app, main

__all__ = ["app", "main"]
