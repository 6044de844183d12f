"""The version, for whoever writes a record."""

VERSION = "0.1.0"
