"""Print which share of the lines the tests ran, by file where it is below 90 %, and in all.

python tools/covered.py COVERAGE.json      # as `python -m slipcover --json --out` writes it
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

FULL = 90.0  # %


def main() -> None:
    """Print the table."""
    found = json.loads(Path(sys.argv[1]).read_text())
    shares = {name: file["summary"]["percent_covered"] for name, file in found["files"].items()}
    for name, share in sorted(shares.items(), key=lambda row: row[1]):
        if share < FULL:
            print(f"{share:5.1f} %  {name}")
    print(
        f"{found['summary']['percent_covered']:5.1f} %  of all lines in {len(shares)} files are run by the quick tests."
    )


if __name__ == "__main__":
    main()
