"""Which layer and which pooling tell shapes apart? A grid search says, by cross-validation.

python examples/choose_layers.py [CRITIC]
"""

import sys

import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import synthetic
from gan_probe.estimators import CriticEmbedder

critic = sys.argv[1] if len(sys.argv) > 1 else None
data = synthetic.make_dataset("jitter-test", per_class=10)
X, y = data.images.reshape(len(data.images), -1), data.table["factor.shape"]

model = make_pipeline(CriticEmbedder(critic, random_state=0), StandardScaler(), LogisticRegression(max_iter=1000))
grid = {
    "criticembedder__layers": [["texture"], ["stem"], ["blocks.1"], ["blocks.2"]],
    "criticembedder__pooling": ["mean", "grid4"],
}
search = GridSearchCV(model, grid, cv=3).fit(X, y)
table = pd.DataFrame(search.cv_results_)[["param_criticembedder__layers", "param_criticembedder__pooling"]]
table.columns = ["layers", "pooling"]
table["accuracy"] = search.cv_results_["mean_test_score"].round(3)
print(table.sort_values("accuracy", ascending=False).to_string(index=False))
