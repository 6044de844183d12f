"""Scoring starts without what it does not need yet: what pages need, and what fits controls."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from gan_probe.images.image_set import ImageSet

LATE = ("matplotlib", "seaborn", "jinja2", "scipy", "sklearn", "skimage", "joblib", "onnxruntime", "captum")
CODE = f"""
import sys
from gan_probe.cli import main
try:
    main()
except SystemExit as end:
    assert end.code == 0, end.code
loaded = [name for name in {LATE} if name in sys.modules]
print("loaded:", *loaded, file=sys.stderr)
"""


@pytest.mark.slow
def test_before_its_first_image_score_loads_neither_plotting_nor_fitting(
    run: Path, test_set: ImageSet, tmp_path: Path
) -> None:
    np.save(tmp_path / "images.npy", test_set.images[:2])
    words = ["score", str(run), "images.npy", "--dry-run"]  # the critic is loaded, the images are read
    done = subprocess.run([sys.executable, "-c", CODE, *words], capture_output=True, text=True, cwd=tmp_path)
    assert "images: 2" in done.stdout, done.stderr
    assert done.stderr.splitlines()[-1] == "loaded:"
