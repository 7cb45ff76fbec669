"""PairClassifier: towers, gate, fusion, fusion layer, head; a logit, never squashed here.

The only sigmoid that makes a probability is in `lib.fnd.training.Fitted.predict`: the page's
classifier applied one in the model and one after it, so every article came out as biased.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lib.fnd.model.fusion import GATES, Fusion
from lib.fnd.model.towers import Batch, Shapes, TowerNet, dense
from lib.fnd.systems import System


class Output(NamedTuple):
    """What the network says of a batch of n rows."""

    logit: Tensor  # (n,)
    vectors: dict[str, Tensor]  # of the towers, before gate and fusion
    attention: Tensor | None  # (n, K) in the order of the towers
    similarity: Tensor | None  # (n,) CLIP's cosine, before the gate


class PairClassifier(nn.Module):
    """A batch of arrays -> logits, towers' vectors, attention weights, similarities."""

    def __init__(self, system: System, shapes: Shapes, tops: Mapping[str, nn.Module] | None = None):
        """Random weights from torch's generator; `shapes`: of one row of each array."""
        super().__init__()
        self.towers = nn.ModuleDict(
            {name: TowerNet(tower, shapes, tops or {}) for name, tower in system.towers}
        )
        self.gate = GATES[system.gate]() if system.gate != "none" else None
        widths = [tower.width for tower in self.towers.values()]
        self.fusion = Fusion(system.fusion, widths, system.normalise)
        self.joint, width = dense(system.joint, self.fusion.width)
        self.head, width = dense(system.head, width)
        self.output = nn.Linear(width, 1)
        self.teacher = Teacher(self.towers, shapes) if system.teacher else None

    def forward(self, batch: Batch) -> Output:
        """Return the output; a row's does not depend on the others in evaluation mode."""
        vectors = {name: tower(batch) for name, tower in self.towers.items()}
        similarity = None
        if "clip_image" in batch and "clip_text" in batch:
            similarity = F.cosine_similarity(batch["clip_image"], batch["clip_text"])
        weighted = dict(vectors)
        if self.gate is not None and "mixed" in weighted:
            weighted["mixed"] = self.gate(similarity) * weighted["mixed"]
        fused, attention = self.fusion(list(weighted.values()), similarity)
        logit = self.output(self.head(self.joint(fused))).squeeze(-1)
        return Output(logit, vectors, attention, similarity)


class Teacher(nn.Module):
    """CLIP as a teacher in training alone: towers' vectors are drawn to CLIP's of the same row.

    L = CosineEmbeddingLoss(P_t t, c_T, +1) + CosineEmbeddingLoss(P_v v, c_I, +1), and the same
    with the CLIP vector of the next row of the batch as a negative, of margin m. The model card of
    nmb-teacher names the loss, but neither its weight, its margin nor its negatives: decided here.
    """

    def __init__(self, towers: Mapping[str, TowerNet], shapes: Shapes):
        """Projections from the towers' widths to CLIP's; dropped after training."""
        super().__init__()
        self.project = nn.ModuleDict(
            {
                name: nn.Linear(tower.width, shapes[f"clip_{name}"][0])
                for name, tower in towers.items()
            }
        )

    def forward(self, output: Output, batch: Batch, margin: float) -> Tensor:
        """Return the loss of a batch (n, ...), a scalar."""
        total = output.logit.new_zeros(())
        for name, project in self.project.items():
            ours, theirs = project(output.vectors[name].float()), batch[f"clip_{name}"]
            same = torch.ones(len(ours), device=ours.device)
            total = total + F.cosine_embedding_loss(ours, theirs, same)
            other = theirs.roll(1, 0)
            total = total + F.cosine_embedding_loss(ours, other, -same, margin=margin)
        return total
