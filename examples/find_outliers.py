"""Call images unlike the training data outliers, and at most one real image in ten.

python examples/find_outliers.py [CRITIC]

The threshold comes from real images that the critic was not trained on. How many outliers are found is
another question: a critic may rank a class that it never saw above its own.
"""

import sys

import synthetic
from gan_probe.estimators import CriticNovelty

critic = sys.argv[1] if len(sys.argv) > 1 else None
real = synthetic.make_dataset("jitter-train", per_class=60, seed=1).images  # other images than a critic trained on
unseen = synthetic.make_dataset("jitter-test", per_class=20)

detector = CriticNovelty(critic, false_alarm_rate=0.1, random_state=0).fit(real[::2])
alarms = (detector.predict(real[1::2]) == -1).mean()
print(f"false alarms: {alarms:.0%} (promised: at most {detector.guaranteed_rate_:.0%} on average)")
for label, rows in unseen.table.groupby("label").indices.items():
    print(f"{label}: {(detector.predict(unseen.images[rows]) == -1).mean():.0%} called outliers")
