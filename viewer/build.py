"""Build the page's script: ``python viewer/build.py [--check]`` writes ``gan_probe/report/viewer.js``.

Comments and indentation go, nothing is renamed: what ships can be read.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

SOURCE = Path(__file__).with_name("viewer.js")
BUILT = Path(__file__).resolve().parents[1] / "gan_probe" / "report" / "viewer.js"


def built(source: str) -> str:
    """Return a script without lines of comments, indentation, and ends of comments behind code."""
    lines = (re.sub(r"\s+// [^\"'`]*$", "", line.strip()) for line in source.splitlines())
    return "\n".join(line for line in lines if line and not line.startswith("//")) + "\n"


def main(arguments: list[str]) -> int:
    """Write the script, or say whether it is the one that the source makes."""
    script = built(SOURCE.read_text(encoding="utf-8"))
    if "--check" in arguments:
        if not BUILT.is_file() or BUILT.read_text(encoding="utf-8") != script:
            print(f"{BUILT.name} is not what viewer/viewer.js makes: python viewer/build.py")  # noqa: T201
            return 1
        return 0
    BUILT.write_text(script, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
