"""Look at every page of the built site in a real Chromium: what axe-core finds, and links that lead nowhere.

python tools/check_site.py .site/html      # without Chromium or axe-core it says so, and passes
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # tests/ is in no package
from tests.browser import AXE, CHROMIUM, Tab, browser

PARTS = ("_static", "_modules")  # of the theme: templates, and listings of code
LINKS = "[...document.querySelectorAll('a[href], img[src]')].map((e) => e.href || e.src)"


def faults(tab: Tab, page: Path) -> Iterator[str]:
    """Yield what is wrong with a page: serious and moderate findings, and local links to files that are not there."""
    tab.open(page)
    yield from tab.faults()
    for link in sorted(set(tab.value(LINKS))):
        parts = urlsplit(link)
        if parts.scheme == "file" and not Path(unquote(parts.path)).exists():
            yield f"broken link: {link}"


def main() -> int:
    """Print findings; return 1 where there are some."""
    root = Path(sys.argv[1]).resolve()
    if not CHROMIUM or not AXE.is_file():
        print("no Chromium or no axe-core: the site's pages are not looked at.")
        return 0
    pages = [page for page in sorted(root.rglob("*.html")) if not set(page.relative_to(root).parts) & set(PARTS)]
    n_faults = 0
    with tempfile.TemporaryDirectory() as profile, browser(Path(profile)) as tab:
        for page in pages:
            for fault in faults(tab, page):
                n_faults += 1
                print(f"{page.relative_to(root)}: {fault}")
    print(f"{len(pages)} pages of the site: {n_faults or 'no'} broken links and findings of axe-core.")
    return int(n_faults > 0)


if __name__ == "__main__":
    sys.exit(main())
