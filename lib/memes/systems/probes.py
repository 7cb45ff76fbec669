"""Probes: what simple classifiers read out of the frozen features, one label at a time.

Features are picture and text side by side, each unit scaled to mean 0 and deviation 1 over the
training rows. The SVM's score is sigmoid of its margin, so that .5 is its own decision: a ranking,
not a calibrated probability (lib.memes.shift measures and mends that).
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit
from sklearn.linear_model import LogisticRegression
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.svm import SVC

from lib.memes.draws import Draw
from lib.memes.systems.inputs import Fitted, Inputs
from lib.memes.systems.registry import System
from lib.memes.systems.settings import ProbeSettings, Settings


def standardised(inputs: Inputs) -> np.ndarray:
    """Return picture's and text's features side by side, (N, 2d), scaled over the training rows."""
    both = np.concatenate([inputs.image, inputs.text], axis=1)
    train = both[inputs.rows("train")]
    return (both - train.mean(0)) / np.maximum(train.std(0), 1e-6)


def linear(x: np.ndarray, labelled: np.ndarray, y: np.ndarray, own: ProbeSettings) -> np.ndarray:
    """Logistic regression of one label: probabilities (N,)."""
    model = LogisticRegression(C=own.linear_c, max_iter=1000).fit(x[labelled], y)
    return model.predict_proba(x)[:, 1]


def svm_rbf(x: np.ndarray, labelled: np.ndarray, y: np.ndarray, own: ProbeSettings) -> np.ndarray:
    """SVM with an RBF kernel, classes balanced, of one label; `x` is the kernel (N, n)."""
    model = SVC(C=own.svm_c, kernel="precomputed", class_weight="balanced")
    return expit(model.fit(x[labelled], y).decision_function(x))


def knn(x: np.ndarray, labelled: np.ndarray, y: np.ndarray, own: ProbeSettings) -> np.ndarray:
    """Share of label 1 among the nearest labelled rows; `x` holds them, (N, k) as places in y."""
    return y[x].mean(1)


METHODS = {"linear": linear, "svm_rbf": svm_rbf, "knn": knn}


def fit(system: System, inputs: Inputs, draw: Draw, seed: int, settings: Settings) -> Fitted:
    """Fit a probe for each label; nothing is random. See lib.memes.systems.fit_seeds.

    A label that all labelled rows have, or none, is given to all rows, or none.
    """
    own, x = settings.probes, standardised(inputs)
    own.validate()
    truth = inputs.known(draw, system.outputs).cpu().numpy()
    if system.method == "svm_rbf":
        x = rbf_kernel(x, x[draw.labelled], gamma=1 / x.shape[1])
    if system.method == "knn":
        unit = x / np.linalg.norm(x, axis=1, keepdims=True)
        cosines = unit @ unit[draw.labelled].T
        cosines[
            draw.labelled, np.arange(len(draw.labelled))
        ] = -2  # a row is no neighbour of itself
        x = np.argsort(-cosines, axis=1, kind="stable")[:, : own.neighbours]
    probe = METHODS[system.method]
    scores = [
        np.full(len(x), y[0]) if len(set(y)) == 1 else probe(x, draw.labelled, y, own)
        for y in truth.T
    ]
    parameters = truth.shape[1] * (x.shape[1] + 1) if system.method == "linear" else 0
    return Fitted(np.stack(scores, axis=1).astype(np.float32), [], parameters)
