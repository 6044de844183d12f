"""Drawing and writing data sets against the plain way, paired in one run.

python benchmarks/drawing.py

- in memory: `synthetic` against a double loop over pixels in the style of the article's code (one numpy call a pixel),
  and against the loop over images that a user of numpy would write (one call an image);
- on disk: the PNG folder writer against encoding alone, one image after the other; beside it the time that the file
  system takes to create as many files, which no writer can avoid.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import numpy as np
import record

from synthetic import make_dataset, write_dataset
from synthetic.dataset import resolve_spec
from synthetic.draw import draw_images
from synthetic.writer import encode_png

SIDE_PX = 64


def double_loop(shape: str, base: float, sign: int, noise: float) -> np.ndarray:
    """Draw one image pixel by pixel, as the article does."""
    image = np.ones((SIDE_PX, SIDE_PX, 3))
    radius = 0.7 * SIDE_PX / 2
    for row in range(SIDE_PX):
        for column in range(SIDE_PX):
            x, y = column - (SIDE_PX - 1) / 2, row - (SIDE_PX - 1) / 2
            inside = max(abs(x), abs(y)) <= radius if shape == "square" else x * x + y * y <= radius * radius
            if inside:
                colour = np.array([base, base + 0.1 * sign, base + 0.2 * sign])
                image[row, column] = colour + np.random.normal(0, noise, 3)
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)


def vectorised(shape: str, base: float, sign: int, noise: float, rng: np.random.Generator) -> np.ndarray:
    """Draw the same image with a few numpy calls, as a user would."""
    axis = np.arange(SIDE_PX, dtype=np.float32) - (SIDE_PX - 1) / 2
    x, y = axis[None], axis[:, None]
    radius = 0.7 * SIDE_PX / 2
    inside = np.maximum(abs(x), abs(y)) <= radius if shape == "square" else x * x + y * y <= radius * radius
    image = np.ones((SIDE_PX, SIDE_PX, 3), dtype=np.float32)
    colour = np.array([base, base + 0.1 * sign, base + 0.2 * sign], dtype=np.float32)
    image[inside] = colour + noise * rng.standard_normal((int(inside.sum()), 3), dtype=np.float32)
    return (np.clip(image, 0, 1) * 255).astype(np.uint8)


def loop_images() -> None:
    """Draw six images pixel by pixel."""
    for i in range(6):
        double_loop("square", 0.7, 1, 0.03) if i % 2 else double_loop("circle", 0.85, -1, 0.03)


def vectorised_images() -> None:
    """Draw 400 images as a user would."""
    rng = np.random.default_rng(0)
    for i in range(400):
        vectorised("square", 0.7, 1, 0.03, rng) if i % 2 else vectorised("circle", 0.85, -1, 0.03, rng)


def seconds(action: Callable[[], object]) -> float:
    start = perf_counter()
    action()
    return perf_counter() - start


def main() -> None:
    spec = resolve_spec("article-train").with_per_class(200)

    by_user = record.paired_ratios(vectorised_images, lambda: draw_images(spec, range(400), 0), 9)
    drawn = [
        r * spec.n_images / 6 for r in record.paired_ratios(loop_images, lambda: draw_images(spec, range(400), 0), 9)
    ]
    full = [r * spec.n_images / 6 for r in record.paired_ratios(loop_images, lambda: make_dataset(spec), 9)]
    dataset = make_dataset("article-test", per_class=100)
    encoded = [encode_png(image) for image in dataset.images]

    def encode() -> None:
        for image in dataset.images:
            encode_png(image)

    def written(parent: str | None) -> dict[str, object]:
        """Return the writer's time over that of encoding, and over that of creating as many files."""
        with tempfile.TemporaryDirectory(dir=parent) as folder:
            numbers = iter(range(10_000))

            def write() -> None:
                write_dataset(dataset, Path(folder) / str(next(numbers)))

            def create() -> None:
                target = Path(folder) / str(next(numbers))
                target.mkdir()
                for i, png in enumerate(encoded):
                    (target / f"{i}.png").write_bytes(png)

            return {
                "write_dataset / encoding alone": record.spread(record.paired_ratios(write, encode, 11)),
                "creating the files, no encoding / encoding alone": record.spread(
                    record.paired_ratios(create, encode, 11)
                ),
            }

    record.save(
        "drawing",
        {
            "what": "ratios of times per image, paired in one run",
            "double_loop / draw_images (images and masks)": record.spread(drawn),
            "vectorised loop / draw_images (images and masks)": record.spread(by_user),
            "double_loop / make_dataset (images, masks, table with content hashes)": record.spread(full),
            "1,000 PNGs on this disk": written(None),
            "1,000 PNGs on a file system in memory": written("/dev/shm"),
        },
    )


if __name__ == "__main__":
    main()
