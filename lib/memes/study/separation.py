"""How well raw and cooked features separate the labels, measured instead of looked at.

The thesis shows t-SNE maps of four feature blocks and reads off that cooking "disentangles" the
classes. A map cannot show that a linear map adds information, so two numbers stand beside it: the
silhouette of each row, and a linear probe's score of each row, learnt on the labelled rows.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_samples
from sklearn.preprocessing import StandardScaler

from lib.data.readers.mami import LABELS
from lib.memes.draws import Draw
from lib.memes.study.inputs import StudyInputs
from lib.memes.systems import cooking

SEED = 0


def measure(inputs: StudyInputs) -> pd.DataFrame:
    """Coordinates and separation of every test row in every feature block.

    Columns: features, id, tsne_x, tsne_y, pca_x, pca_y; silhouette_<label> in -1..1, NaN where a
    label has one value only; probe_<label>, the probability by the linear probe.
    """
    s = inputs.settings
    draw = inputs.inputs.draw(s.separation_ratio, s.draw)
    found = blocks(inputs, draw)
    return pd.concat([_one(inputs, draw, *one) for one in found.items()], ignore_index=True)


def errors(inputs: StudyInputs) -> pd.DataFrame:
    """Error of the auto-encoders, of ridge and of the mean; see lib.memes.systems.cooking."""
    s = inputs.settings
    return cooking.errors(inputs.inputs, inputs.inputs.draw(s.separation_ratio, s.draw), s.systems)


def blocks(inputs: StudyInputs, draw: Draw) -> dict[str, np.ndarray]:
    """Feature blocks (N, d) by name: raw, cooked and residual, of picture and text."""
    made = {"raw picture": inputs.inputs.image, "raw text": inputs.inputs.text}
    settings = inputs.settings.systems
    for block, shown in (("linear", "cooked"), ("residual", "residual")):
        pair = [one.cpu().numpy() for one in cooking.cooked(block, inputs.inputs, draw, settings)]
        # What the picture leaves unforetold is the text's residual, and the other way round.
        pair = pair[::-1] if block == "residual" else pair
        made[f"{shown} picture"], made[f"{shown} text"] = pair
    return made


def _one(inputs: StudyInputs, draw: Draw, name: str, features: np.ndarray) -> pd.DataFrame:
    """Rows of one block."""
    rows = inputs.kept(["test"])
    shown, targets = features[rows], inputs.inputs.targets
    flat = PCA(2, svd_solver="full").fit_transform(shown)
    perplexity = min(inputs.settings.perplexity, (len(rows) - 1) / 3)
    start = flat / flat[:, 0].std() * 1e-4
    near = TSNE(2, perplexity=perplexity, init=start, random_state=SEED).fit_transform(shown)
    table = {"features": name, "id": inputs.ids[rows]}
    for kind, places in (("tsne", near), ("pca", flat)):
        table |= {f"{kind}_{axis}": places[:, at] for at, axis in enumerate("xy")}
    scale = StandardScaler().fit(features[draw.labelled])
    known, asked = (scale.transform(features[part]) for part in (draw.labelled, rows))
    for place, label in enumerate(LABELS):
        table[f"silhouette_{label}"] = _silhouettes(shown, targets[rows, place])
        table[f"probe_{label}"] = _probe(
            known, targets[draw.labelled, place], asked, inputs.settings.systems.probes.linear_c
        )
    return pd.DataFrame(table).astype({"features": "str", "id": "str"})


def _silhouettes(features: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Silhouette of each row (Rousseeuw 1987), Euclidean."""
    if len(np.unique(labels)) < 2:
        return np.full(len(labels), np.nan)
    return silhouette_samples(features, labels)


def _probe(known: np.ndarray, labels: np.ndarray, asked: np.ndarray, c: float) -> np.ndarray:
    """Probability of the label by logistic regression; its share where it has one value only."""
    if len(np.unique(labels)) < 2:
        return np.full(len(asked), labels.mean())
    model = LogisticRegression(C=c, max_iter=1000).fit(known, labels)
    return model.predict_proba(asked)[:, 1]
