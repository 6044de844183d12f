"""A table with a column of image files and a column of numbers, through one ColumnTransformer.

python examples/mix_with_columns.py [CRITIC]
"""

import sys
import tempfile
from pathlib import Path

import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import synthetic
from gan_probe.estimators import CriticEmbedder, ImageLoader

critic = sys.argv[1] if len(sys.argv) > 1 else None
with tempfile.TemporaryDirectory() as folder:
    synthetic.write_dataset(synthetic.make_dataset("jitter-test", per_class=10), Path(folder) / "data")
    table = pd.read_csv(Path(folder) / "data" / "metadata.csv")
    table["picture"] = [str(Path(folder) / "data" / name) for name in table["file_name"]]
    mixed = ColumnTransformer([
        ("image", make_pipeline(ImageLoader(), CriticEmbedder(critic, n_components=20, random_state=0)), ["picture"]),
        ("number", StandardScaler(), ["factor.noise"]),
    ])  # fmt: skip
    model = make_pipeline(mixed, StandardScaler(), LogisticRegression(max_iter=1000))
    print("accuracy on ten classes:", cross_val_score(model, table, table["label"], cv=3).round(2))
