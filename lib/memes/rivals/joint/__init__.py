"""VisualBERT, LXMERT and ViLT: a transformer over picture and text, a head on its pooled state.

    logits = W2 Dropout(W1 pooled + b1) + b2, binary cross-entropy     (as SemiMemes ran them)

The classes are those of transformers; the loss is computed from the logits, for the classes' own
losses are for one label a row. In the paper profile the whole model learns from a checkpoint of
the hub; without a checkpoint a small one of the same class starts from random weights: its code
runs, its scores say nothing about the method ("code path only").
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.memes.draws import Draw
from lib.memes.nets.descent import seeded
from lib.memes.rivals.descent import Course, needed, outputs, size, taken, train
from lib.memes.rivals.features.words import shortened
from lib.memes.rivals.joint.models import MODELS, Joint, shapes_of
from lib.memes.rivals.settings import JointSettings
from lib.memes.systems.inputs import Fitted, Inputs, device, history_of
from lib.memes.systems.registry import System
from lib.memes.systems.settings import Settings


class Classifier(nn.Module):
    """A transformer with the head of the study; see lib.memes.rivals.joint.models."""

    def __init__(self, joint: Joint, outputs: int, hidden: int, dropout: float):
        """Take the transformer; the head's weights are random."""
        super().__init__()
        self.joint = joint
        self.head = nn.Sequential(
            nn.Linear(joint.width, hidden), nn.Dropout(dropout), nn.Linear(hidden, outputs)
        )

    def forward(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the logits (n, outputs)."""
        return self.head(self.joint(batch))


def fit(system: System, inputs: Inputs, draw: Draw, seed: int, settings: Settings) -> Fitted:
    """Fine-tune on the labelled rows; see lib.memes.systems.fit_seeds."""
    own: JointSettings = getattr(settings.rivals, system.method)
    arrays = _arrays(MODELS[system.method], inputs, own)
    with seeded(seed):
        joint = MODELS[system.method](own, shapes_of(arrays))
        model = Classifier(joint, system.outputs, own.hidden, own.dropout).to(device())
    targets = torch.zeros(len(inputs.split), system.outputs, device=device())
    targets[draw.labelled] = inputs.known(draw, system.outputs)

    def logits(rows: np.ndarray) -> Tensor:
        batch = {name: taken(array, rows, device()) for name, array in arrays.items()}
        with _autocast(own):
            return model(batch).float()

    def scores(rows: np.ndarray) -> np.ndarray:
        return outputs(model, lambda part: torch.sigmoid(logits(part)), rows, 2 * own.batch, seed)

    judged: list[dict[str, float]] = []
    losses = train(
        model,
        lambda rows: F.binary_cross_entropy_with_logits(logits(rows), targets[rows]),
        draw.labelled,
        Course(own.epochs, own.batch, own.lr, seed),
        lambda epoch: judged.append(inputs.judge(scores(inputs.validation))),
    )
    rows = np.arange(len(inputs.split))
    return Fitted(scores(rows), history_of(losses, judged), size(model))


def _arrays(joint: type[Joint], inputs: Inputs, own: JointSettings) -> Mapping[str, np.ndarray]:
    """Return what the transformer reads; texts are cut to its length, ends kept."""
    found = dict(zip(joint.reads, needed(inputs.extra, *joint.reads), strict=True))
    found["ids"] = shortened(np.asarray(found["ids"]), own.text_length)
    return found


def _autocast(own: JointSettings) -> Any:
    """Return the autocast context of the precision, or one that does nothing."""
    if own.precision == "fp32":
        return nullcontext()
    return torch.autocast(device().type, dtype=torch.bfloat16)
