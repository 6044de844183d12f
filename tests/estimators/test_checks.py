"""scikit-learn's own battery, whole, on the defaults: a randomly initialised critic built for whatever rows come."""

from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils.estimator_checks import parametrize_with_checks

from gan_probe.estimators import CriticClassifier, CriticEmbedder, CriticNovelty, CriticScorer, ImageLoader


@parametrize_with_checks(
    [
        CriticEmbedder(random_state=0),
        CriticEmbedder(n_components=1, random_state=0),
        CriticScorer(random_state=0),
        CriticNovelty(random_state=0),
        CriticNovelty(detector="score-low", random_state=0),
        CriticClassifier(random_state=0),
        CriticClassifier(mode="finetune", max_epochs=3, random_state=0),
        ImageLoader(),
    ]
)
def test_scikit_learn_s_checks(estimator: BaseEstimator, check: Any) -> None:
    check(estimator)
