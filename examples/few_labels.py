"""Three shapes from ten labels each: logistic regression on a critic's features, a frozen probe, fine-tuning.

python examples/few_labels.py [CRITIC]
"""

import sys

from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import synthetic
from gan_probe.estimators import CriticClassifier, CriticEmbedder

critic = sys.argv[1] if len(sys.argv) > 1 else None
data = synthetic.make_dataset("jitter-test", per_class=20)
X, y = data.images.reshape(len(data.images), -1), data.table["factor.shape"]

few = StratifiedShuffleSplit(n_splits=3, train_size=30, random_state=0)
models = {
    "logistic regression on features": make_pipeline(
        CriticEmbedder(critic, random_state=0), StandardScaler(), LogisticRegression(max_iter=1000)
    ),
    "frozen probe": CriticClassifier(critic, random_state=0),
    "fine-tuned": CriticClassifier(critic, mode="finetune", max_epochs=5, random_state=0),
}
for name, model in models.items():
    accuracy = cross_val_score(model, X, y, cv=few)
    print(f"{name}: {accuracy.mean():.2f} +- {accuracy.std():.2f} over 3 draws of 30 labels")
