"""Make the pictures of pages that README and docs show, in a headless Chromium: ``python docs/screenshots.py [NAME]``.

To add one: a row in ``PICTURES``. A page that is not there is left out, and a line says so: `make gallery` makes it.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/ is in no package
from tests.browser import browser

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "docs" / "pictures"
N_COLOURS = 256


class Picture(NamedTuple):
    """A page, and how much of it is shown, in pixels."""

    page: str
    width: int = 1280
    height: int = 800
    scheme: str = "light"


PICTURES = {
    "first-screen": Picture("reports/article/report.html"),
    "phone": Picture("reports/article/report.html", width=390, height=800),
}


def main(names: list[str]) -> int:
    """Make the pictures that are named, or all."""
    unknown = sorted(set(names) - set(PICTURES))
    if unknown:
        sys.exit(f"no picture is called {', '.join(unknown)}; there are {', '.join(PICTURES)}.")
    OUT.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as tab:
        for name in names or PICTURES:
            shown = PICTURES[name]
            if not (ROOT / shown.page).is_file():
                print(f"{name}: {shown.page} is not there; make gallery makes it.")  # noqa: T201
                continue
            tab.open(ROOT / shown.page, width=shown.width, height=shown.height, scheme=shown.scheme)
            tab.picture(OUT / f"{name}.png")
            small = Image.open(OUT / f"{name}.png").convert("RGB").quantize(N_COLOURS, dither=Image.Dither.NONE)
            small.save(OUT / f"{name}.png", optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
