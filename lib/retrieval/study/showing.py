"""What the explorer searches: the main systems of one tuned source, on its own test set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from lib.encoders import encode_texts
from lib.retrieval import evaluation, submission
from lib.retrieval.explorer import Gallery, System
from lib.retrieval.finetune.features import FeatureCache, Weights
from lib.retrieval.hubness import dual_softmax
from lib.retrieval.study.inputs import Inputs
from lib.retrieval.study.wise_ft import TunedSource


def main_gallery(
    inputs: Inputs, run: str, alpha: float, seed: int = 0, show_content: bool = False
) -> Gallery:
    """Zero-shot, fine-tuned, WiSE-FT at `alpha`, and the same under dual softmax, side by side.

    The dual softmax takes its bias from the test titles, as the 2023 study does.
    """
    source = TunedSource(inputs, run)
    between, where = source.between(seed), source.test.where
    systems = {}
    for name, at in (("zero-shot", 0.0), ("fine-tuned", 1.0), (f"WiSE-FT, α = {alpha:g}", alpha)):
        weights = between.at(at)
        systems[name] = System(_encode(source.cache, weights), source.test.image(weights))
    last = list(systems.values())[-1]
    cosines = torch.from_numpy(source.test.text(between.at(alpha)) @ last.images.T)
    bias = dual_softmax(cosines, inputs.settings.temperature).numpy()
    systems["the same + dual softmax"] = last._replace(bias=bias)
    titles = inputs.texts(where.queries[where.known])
    rows = where.right[where.known].tolist()
    files = inputs.pairs["image"].iloc[where.gallery].tolist()
    right = dict(zip(titles, rows, strict=True))
    return Gallery(systems, files, right, inputs.root, 4, show_content)


def _encode(cache: FeatureCache, weights: Weights) -> Callable[[str], np.ndarray]:
    """A text tower with some weights, which are put in place only when they are not there."""

    def encode(text: str) -> np.ndarray:
        cache.use(weights)
        return encode_texts(cache.towers.encoder, [text])[0]

    return encode


def read_back(pairs: pd.DataFrame, source: str, file: Path) -> tuple[list[str], dict[str, float]]:
    """Defects of a submission for the test set of a source, and its scores by the ground truth.

    A submission lists 100 pictures an article, or all there are. SubmissionError when it is broken.
    """
    rows = pairs[(pairs["source"] == source) & (pairs["split"] == "test")]
    rows = rows[(rows["text"] != "") & (rows["image"] != "")]
    known = set(rows["article"]), set(rows["iid"])
    length = min(submission.LENGTH, len(known[1]))
    defects = submission.validate_submission(file, *known, length)
    truth = evaluation.truth_frame(rows["article"], rows["iid"])
    return defects, evaluation.evaluate(submission.read_submission(file, length=length), truth)
