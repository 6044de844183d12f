"""Tests; ``check`` is what checks the annotations of numbers in them, shapes included."""

from beartype import BeartypeConf, beartype

check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int may stand where a float is asked for
