"""Group images by a critic's embedding without labels, then ask the labels how good the groups are.

python examples/find_clusters.py [CRITIC]
"""

import sys

import pandas as pd
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_rand_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import synthetic
from gan_probe.estimators import CriticEmbedder

critic = sys.argv[1] if len(sys.argv) > 1 else None
data = synthetic.make_dataset("article-test", per_class=20)
X, y = data.images.reshape(len(data.images), -1), data.table["label"]

model = make_pipeline(
    CriticEmbedder(critic, random_state=0), StandardScaler(), KMeans(n_clusters=10, n_init=10, random_state=0)
)
groups = model.fit_predict(X)
print(pd.crosstab(y, groups).to_string())
print(f"ARI {adjusted_rand_score(y, groups):.2f} (1 = the classes, 0 = chance)")
