"""Semi-supervised methods on cached features of pictures and texts, in their multi-label form.

All but label propagation train the head of RAW-N-COOK on raw features with cross-entropy, beside a
loss of their own on unlabelled rows: what they add is that loss and nothing else, so `raw_only_bce`
is what they are measured against.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import torch
from torch import Tensor

from lib.memes.draws import Draw
from lib.memes.nets.descent import descend
from lib.memes.nets.head import RawNCook
from lib.memes.nets.losses import make_loss
from lib.memes.nets.stacking import Stream, generators, parameters_of_one, probabilities
from lib.memes.ssl.freematch import FreeMatch
from lib.memes.ssl.label_propagation import fit as propagate
from lib.memes.ssl.mean_teacher import MeanTeacher
from lib.memes.ssl.pseudo_label import PseudoLabel
from lib.memes.ssl.views import Views
from lib.memes.systems.cooking import blocks
from lib.memes.systems.inputs import Fitted, Inputs, device, fitted, judge_each
from lib.memes.systems.registry import System
from lib.memes.systems.settings import Settings


class Method(Protocol):
    """A loss on unlabelled rows."""

    def loss(self, features: Sequence[Tensor], progress: float) -> Tensor:
        """Return the loss (K,) of features (K, b, d); `progress` is the share of steps done."""

    def model(self) -> RawNCook:
        """Return the model that predicts."""


METHODS: dict[str, Callable[..., Method]] = {
    "pseudo_label": PseudoLabel,
    "fixmatch": partial(PseudoLabel, strong=True),
    "freematch": FreeMatch,
    "mean_teacher": MeanTeacher,
}


def fit_seeds(
    system: System, inputs: Inputs, draw: Draw, seeds: Sequence[int], settings: Settings
) -> list[Fitted]:
    """Train a method with each seed; see lib.memes.systems.fit_seeds."""
    settings.ssl.validate()
    if system.method == "label_propagation":
        return [propagate(inputs, draw, system.outputs, settings.ssl)] * len(seeds)
    features = blocks(system.features, inputs, draw, settings)
    labelled, rest = ([one[rows] for one in features] for rows in draw)
    targets, held = inputs.known(draw, system.outputs), [one[inputs.validation] for one in features]
    head_settings, draws = settings.head_of(draw, system.step_gamma), generators(seeds, device())
    head = RawNCook(
        [one.shape[1] for one in features], system.outputs, head_settings.hidden,
        head_settings.dropout, draws,
    )  # fmt: skip
    training = [torch.cat(parts) for parts in zip(labelled, rest, strict=True)]
    views = Views(training, settings.ssl, draws)
    method = METHODS[system.method](head, views, settings.ssl)
    stream = Stream(draws, len(draw.unlabelled), settings.ssl.unlabelled_batch)
    steps = head_settings.epochs * -(-len(targets) // head_settings.batch)
    known = make_loss(system.loss, targets)
    done = iter(range(steps))

    def loss_of(rows: Tensor) -> Tensor:
        others = next(stream)
        found = known(head(views.weak([one[rows] for one in labelled])), targets[rows])
        return found + method.loss([one[others] for one in rest], next(done) / steps)

    judged: list[list[dict[str, float]]] = []
    losses = descend(
        head, loss_of, len(targets), head_settings, draws,
        lambda epoch: judged.append(judge_each(inputs, probabilities(method.model(), held))),
    )  # fmt: skip
    return fitted(probabilities(method.model(), features), losses, judged, parameters_of_one(head))
