"""Systems without a network: priors, the outlet's name, and CLIP's similarity alone.

MUSE (Papadopoulos et al., WACV 2025) showed that similarities alone rival published systems on
out-of-context pictures, so no table stands without them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression

from lib.fnd.inputs import Inputs
from lib.fnd.model.feed import Feed, means
from lib.fnd.systems import System

PSEUDO = 10  # articles of the overall share of Likely that an outlet's own share starts from
TREES, LEAF = 300, 10  # of the forest: trees, and smallest number of articles in a leaf


class Rule(Protocol):
    """A fitted baseline."""

    def __call__(self, inputs: Inputs, rows: np.ndarray) -> np.ndarray:
        """Return the probability of label 1 of some rows (n,)."""


def fit_baseline(system: System, inputs: Inputs, rows: np.ndarray, seed: int) -> Rule:
    """Fit a baseline on training rows; KeyError for a system that is none."""
    return _FITS[system.name](inputs, rows, seed)


def similarities(inputs: Inputs, rows: np.ndarray, fill: dict[str, np.ndarray]) -> np.ndarray:
    """Return (n, K) cosines of picture and text, one a CLIP."""
    out = []
    for image in clip_images(inputs):
        text = image.replace("_image", "_text")
        batch = Feed(inputs, (image, text), rows, fill, "cpu").tensors
        left, right = batch[image].numpy(), batch[text].numpy()
        norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        out.append((left * right).sum(1) / np.maximum(norms, 1e-12))
    return np.stack(out, 1)


def clip_images(inputs: Inputs) -> list[str]:
    """Return the names of the CLIPs' picture arrays, the first CLIP first."""
    names = [name for name in inputs.features if name.startswith("clip")]
    return sorted(name for name in names if name.endswith("_image"))


def _majority(inputs: Inputs, rows: np.ndarray, seed: int) -> Rule:
    share = float(np.mean(inputs["label"][rows]))
    return lambda _, wanted: np.full(len(wanted), share)


def _always_positive(inputs: Inputs, rows: np.ndarray, seed: int) -> Rule:
    return lambda _, wanted: np.ones(len(wanted))


def _outlet(inputs: Inputs, rows: np.ndarray, seed: int) -> Rule:
    """The smoothed share of Likely among an outlet's training articles; unseen: the overall one."""
    label, outlet = inputs["label"][rows], inputs["outlet"][rows]
    overall = float(label.mean())
    shares = {}
    for name in np.unique(outlet):
        own = label[outlet == name]
        shares[name] = (own.sum() + PSEUDO * overall) / (len(own) + PSEUDO)
    return lambda given, wanted: np.array(
        [shares.get(name, overall) for name in given["outlet"][wanted]], float
    )


def _logistic(inputs: Inputs, rows: np.ndarray, seed: int) -> Rule:
    return _similarity(inputs, rows, LogisticRegression(C=1.0, class_weight="balanced"))


def _forest(inputs: Inputs, rows: np.ndarray, seed: int) -> Rule:
    model = RandomForestClassifier(
        TREES, min_samples_leaf=LEAF, class_weight="balanced", random_state=seed, n_jobs=1
    )
    return _similarity(inputs, rows, model)


def _similarity(
    inputs: Inputs, rows: np.ndarray, model: LogisticRegression | RandomForestClassifier
) -> Rule:
    """Fit a model on standardised similarities."""
    names = clip_images(inputs)
    needs = (*names, *(name.replace("_image", "_text") for name in names))
    fill = means(inputs, needs, rows)
    train = similarities(inputs, rows, fill)
    mean, deviation = train.mean(0), train.std(0) + 1e-12
    model.fit((train - mean) / deviation, inputs["label"][rows])

    def rule(given: Inputs, wanted: np.ndarray) -> np.ndarray:
        values = (similarities(given, wanted, fill) - mean) / deviation
        return model.predict_proba(values)[:, list(model.classes_).index(1)]

    return rule


_FITS: dict[str, Callable[[Inputs, np.ndarray, int], Rule]] = {
    "majority": _majority,
    "always_positive": _always_positive,
    "outlet_only": _outlet,
    "similarity_logistic": _logistic,
    "similarity_forest": _forest,
}
