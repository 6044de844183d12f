"""Words, once: what the site's glossary lists, and what pages say of a heading that is pointed at.

To add a word: one row in ``WORDS`` or ``METRICS``, then ``python docs/generate.py``.
"""

from __future__ import annotations

WORDS = {
    "critic": "Any discriminator of a GAN, Wasserstein or not.",
    "critic_score": (
        "The critic's output: higher = more like the training data, unbounded, in units of its own training."
    ),
    "outlier_score": "The critic_score with its sign turned.",
    "real, fake": "Drawn from the training data set, synthetic ones too; made by the generator.",
    "seen class, unseen class": "In the training data, or not.",
    "features": "Activations of the critic's layers, pooled over the image: one row of numbers an image.",
    "embedding": "Features as handed to users.",
    "projection": "A view of an embedding in two dimensions.",
    "control": (
        "The same number from something that needs no training of a GAN: a randomly initialised critic, "
        "pixels, PCA, HOG, k-means patches, an image statistic."
    ),
    "randomly initialised critic": "A critic of the same architecture with fresh random weights (`random_init`).",
    "image statistic": "One plain number of an image: brightness, filled area, edge density, total variation.",
    "semi-supervised": "Trained on few images with a label and many without, together.",
    "auxiliary task": (
        "Something that a critic learns beside the game, without labels: which views are of one image, which way up an "
        "image is (`train --auxiliary`)."
    ),
    "augmentation": "A random change of reals and fakes alike before the critic sees them (`train --augment`).",
    "auxiliary task alone": (
        "The control of a critic with an auxiliary task: the same network trained by the task, without a generator "
        "(`train --without-generator`)."
    ),
    "margin": "A critic's number minus that of its best control.",
    "separated": "A pair of classes whose AUROC is 0.99 or more and significant.",
    "gauge": "What a critic's loss leaves free: shift, scale and sign of its scores.",
    "conflict": "The part of the disagreement between retrainings that no shift, scale or sign removes.",
    "alignment level": "How much of the gauge is taken out before trainings are compared.",
    "run": "One training, in one folder.",
    "snapshot": "A critic saved on the way.",
    "panel": "A fixed set of images on which trainings are compared.",
    "calibration set": "Held-out real images that p-values compare with.",
    "detection threshold": "The score below which an image is called an outlier.",
    "factor": "A controlled property of an image: shape, colour, noise, size, rotation, position.",
    "null": "An image with nothing in it: blank, noise, phase-scrambled, pixels shuffled.",
    "AUROC": (
        "The probability that an image of one class scores higher than one of another: 1 = no overlap, 0.5 = chance."
    ),
    "ARI": "Agreement of groups with classes: 1 = the same, 0 = chance.",
}

METRICS = {
    "95 % interval": (
        "What holds the truth in 95 of 100 such data sets; over new images of the same kind, and over new "
        "trainings where several are shown."
    ),
    "accuracy": "The share of images that are given their right class.",
    "agrees with the others": "Rank correlation of a run's scores with the mean of the other runs.",
    "AMI": "Adjusted mutual information of groups and classes: 1 = the same, 0 = chance.",
    "average precision": (
        "The mean share of unseen images among those called, over all thresholds; its chance is the share of "
        "unseen images."
    ),
    "best control": "The control that does best at this, picked on these images, which favours it.",
    "beyond the other factors": "The share of the variance that all factors explain less what all others explain.",
    "called": "The share of a class that is called an outlier.",
    "chance": "What would come out by luck alone, or by always naming the largest class.",
    "Cohen's d": "The distance of two class means in their pooled standard deviations: 0 = the same.",
    "completeness": "Whether each factor is said by one dimension only: 0 to 1.",
    "critic ahead by": "The critic less this control, in points of a hundred, on the same images.",
    "difference": "One number less the other, on the same images.",
    "disentanglement": "Whether each dimension says something of one factor only: 0 to 1.",
    "epsilon squared": (
        "The share of the variance between the levels of a factor, less what chance gives: 0 on average for a "
        "factor that plays no part."
    ),
    "eta squared": "The share of the variance between the levels of a factor, chance included.",
    "flips": "How often two runs put two classes in different order: 0 = never, 0.5 = chance.",
    "found at 1 % false alarms": "The share of an unseen class below the score that 1 % of seen images fall below.",
    "the other FPR95": "Of seen images, the share rejected at the score that rejects 95 % of the unseen: 0 is best.",
    "FPR95": "Of unseen images, the share accepted at the score that accepts 95 % of the seen: 0 is best.",
    "homogeneity": "Whether each group holds images of one class only: 1 = yes.",
    "ICC(2,1)": "Agreement of single scores of runs, their shift and scale counted: 1 = the same.",
    "ICC(3,1)": "The same without the shift between runs.",
    "in no cluster": "The share of images that the method leaves out of every group.",
    "informativeness": "How well all dimensions together tell the factors, above chance: 0 to 1.",
    "k": "The number of groups.",
    "Kendall's W": "Agreement of runs about the order of classes: 1 = the same order, 0 = none.",
    "largest level": "What naming the most frequent level of a factor every time gets right.",
    "mean correlation with the others": "Of a member's scores of the panel with each other's (Pearson): 1 = alike.",
    "MIG": "Mutual information gap: by how much the best dimension for a factor beats the second.",
    "noticed": "The smallest difference from which on AUROC against the first value stays at 0.75 or more.",
    "other order": "The share of trainings in which this pair scores the other way round.",
    "over randomly initialised": "The critic less randomly initialised critics: what the training added.",
    "overlap": (
        "The share that the two classes' distributions of scores (densities by Gaussian kernels) have in common: 0 = "
        "apart, 1 = the same."
    ),
    "own": "What all factors explain less what all others do.",
    "p-value": "The share of held-out reals that look as strange as this image, or stranger.",
    "pairs separated": "How many pairs of classes one number separates.",
    "rank correlation": "Agreement of two orders of images (Spearman): 1 = the same, 0 = none, -1 = reversed.",
    "reproducible": (
        "The reproducible fraction: the variance of class means that all runs share, over that and the "
        "conflict: 1 = runs agree."
    ),
    "scale": "What a member's scores are divided by to have one unit; negative: it was turned round.",
    "sd over draws": "How far the accuracy differs between draws of labels.",
    "separated at": "The smallest difference from which on AUROC against the first value stays at 0.99 or more.",
    "share": "The share of the variance of scores between the levels of a factor, less what chance gives.",
    "shift": "What is taken from a member's scores, so that their mean on the panel is 0.",
    "stability": "How alike the groups are when a fifth of the images is left out: 1 = the same.",
    "training added": "The critic less randomly initialised critics of its architecture.",
    "within": "Rank correlation of two runs among the images of one class.",
    "the score alone": "The share of images whose class is named right by the critic's one number.",
    "the embedding": (
        "The share of images whose class a linear probe on the critic's features names right, in five folds."
    ),
    "unseen images found": (
        "AUROC of unseen images against seen ones by a low score: 1 = every unseen one lies lower, 0.5 = "
        "chance, below it the wrong way."
    ),
    "comes out again": "Kendall's W over trainings: whether another training puts the classes in the same order.",
}

# Headings that are a word in other words.
ALIASES = {
    "95 % interval of accuracy": "95 % interval",
    "AUROC, mean": "AUROC",
    "its AUROC": "AUROC",
    "its accuracy": "accuracy",
    "right": "accuracy",
    "its share": "accuracy",
    "its chance": "chance",
    "the best is ahead by": "difference",
    "over the best control": "margin",
    "both together over the control": "margin",
    "points": "difference",
    "rank correlation with the mean of the others, found without labels": "agrees with the others",
    "reproducible fraction": "reproducible",
    "here": "reproducible",
    "of the other training": "reproducible",
}

_BY_TITLE = {title.casefold(): text for title, text in {**WORDS, **METRICS}.items()}


def meaning_of(title: str) -> str:
    """Return what a heading means; empty where it says so itself.

    Examples
    --------
    >>> meaning_of("margin, points"), meaning_of("images")
    ("A critic's number minus that of its best control.", '')
    """
    for name in (title, title.removesuffix(", points"), title.partition(":")[0]):
        found = _BY_TITLE.get(ALIASES.get(name, name).casefold())
        if found:
            return found
    return ""


def glossary() -> dict[str, str]:
    """Return every word with what it means: general ones first, then numbers of pages, by name."""
    return {**WORDS, **dict(sorted(METRICS.items(), key=lambda row: row[0].casefold()))}
