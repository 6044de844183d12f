"""How Sphinx builds the site: ``make site``. Offline, from what is in this repository; warnings are errors."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("OMP_NUM_THREADS", "1")  # of the notebook's kernel

from gan_probe.version import VERSION  # noqa: E402

project, release = "gan-probe", VERSION
extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
exclude_patterns = ["_build", "generate.py", "rooms.py", "screenshots.py"]
html_theme = "pydata_sphinx_theme"
html_theme_options = {"show_prev_next": False, "secondary_sidebar_items": ["page-toc"], "footer_start": ["copyright"]}
html_title, html_show_sourcelink, html_copy_source = "gan-probe", False, False
project_copyright = "the authors of gan-probe, Apache-2.0"
templates_path: list[str] = []

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc says them
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

# Links to pages of the repository that are not of the site: their words stay, with where they lead.
OUTSIDE = re.compile(
    r"\[([^\]]*)\]\((?:\.\./)+((?:benchmarks|deploy|examples|reports|[A-Z]+)(?:/[\w.-]+)*(?:\.md|\.cff))(?:#[\w-]*)?\)"
)
ROLES = re.compile(r":(?:ref|term|class|func|meth):`(?:~\.?)?([^`<]*?)(?: ?<[^`]*>)?`")

myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_execution_timeout = 300
nb_merge_streams = True


def setup(app: Any) -> None:
    """Tell Sphinx what is done to texts before they are parsed."""
    app.connect("source-read", name_outside)
    app.connect("autodoc-process-docstring", plain_roles, priority=400)


def name_outside(app: Any, name: str, source: list[str]) -> None:
    """Say where in the repository a page is that is not of the site."""
    source[0] = OUTSIDE.sub(r"\1 (`\2` in the repository)", source[0])


def plain_roles(app: Any, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:  # noqa: PLR0917
    """Take inherited docstrings of scikit-learn without links into its own documentation, which is not here."""
    lines[:] = [ROLES.sub(r"\1", line) for line in lines]
