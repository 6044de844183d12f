"""Score a table of encoded images with Spark: spark-submit deploy/spark.py CRITIC IMAGES.parquet OUT.

IMAGES has a column ``image`` of ``{bytes, path}``, as Hugging Face datasets write it; OUT gets every other column, the
path and ``critic_score``, null where a picture cannot be read. No controls: those of a sample are made with
``gan-probe score CRITIC IMAGES.parquet --out sample --limit 5000``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

BATCH_SIZE = 256

Predict = Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]]


def load(critic: str) -> Predict:
    """Return what scores encoded pictures: Spark calls this once in each of its Python processes."""
    from gan_probe import Critic
    from gan_probe.errors import InputError
    from gan_probe.images.image_set import fit_channels
    from gan_probe.images.readers.decode import decode
    from gan_probe.scoring.engines import LOCAL

    loaded = Critic.load(critic)
    height, width, n_channels = loaded.config.image_shape
    side_px = height if height == width else None

    def predict(encoded: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        images, rows = [], []
        for row, content in enumerate(encoded):
            try:
                image = fit_channels(decode(bytes(content), side_px)[0], n_channels)
            except (InputError, TypeError):  # broken, or null
                continue
            images.append(image)
            rows.append(row)
        scores = np.full(len(encoded), np.nan, np.float32)
        if rows:
            (found,) = LOCAL.run([loaded], np.stack(images))
            scores[rows] = found.scores
        return scores

    return predict


def main(critic: str, images: str, out: str) -> None:
    """Score with the session that spark-submit made."""
    from functools import partial

    from pyspark.ml.functions import predict_batch_udf
    from pyspark.sql import SparkSession
    from pyspark.sql import functions as F
    from pyspark.sql.types import FloatType

    spark = SparkSession.builder.appName("gan-probe").getOrCreate()
    score = predict_batch_udf(partial(load, critic), return_type=FloatType(), batch_size=BATCH_SIZE)
    table = spark.read.parquet(images)
    scored = table.withColumn("critic_score", F.nanvl(score("image.bytes"), F.lit(None).cast("float")))
    scored.withColumn("path", F.col("image.path")).drop("image").write.parquet(out)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(f"give CRITIC IMAGES.parquet OUT, got {len(sys.argv) - 1} words.")
    main(*sys.argv[1:])
