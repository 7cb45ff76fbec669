"""TIB-VA (Hakimov et al., SemEval-2022 task 5): CLIP's picture, an LSTM over CLIP's text.

    h_img = Dropout(ReLU(W F_img + b))          h_txt = Dropout(last hidden of LSTM(tokens))
    h = ReLU(W [h_img, h_txt] + b)              p_c = sigmoid(w_c h + b_c), c = 1..5
    loss = sum_c BCE(p_c, y_c)                  (its code; misogynous and the four types)

Trap, kept by default: the LSTM's last hidden is that after all 77 positions, the padding's too;
`mask_padding` reads it at the text's end instead. The best epoch by macro F1 of misogynous on
validation rows counts, as released; `keep: last` takes the last one, as the other systems do.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, MultiStepLR

from lib.memes.draws import Draw
from lib.memes.nets.descent import seeded
from lib.memes.rivals.descent import Course, needed, outputs, size, taken, train
from lib.memes.rivals.settings import TibVaSettings
from lib.memes.scores import task_a
from lib.memes.systems.inputs import THRESHOLD, Fitted, Inputs, device, history_of
from lib.memes.systems.registry import System
from lib.memes.systems.settings import Settings

BETAS = (0.99, 0.98)  # as released
BATCH = 256  # rows of a pass without gradients


class TibVa(nn.Module):
    """Picture (n, d) and text positions (n, L, t) -> logits (n, outputs)."""

    def __init__(self, image: int, text: int, outputs: int, hidden: int, dropout: float):
        """Random weights, PyTorch's default."""
        super().__init__()
        self.image = nn.Linear(image, hidden)
        self.lstm = nn.LSTM(text, hidden, bias=False, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.both = nn.Linear(2 * hidden, hidden)
        self.classes = nn.ModuleList(nn.Linear(hidden, 1) for _ in range(outputs))

    def forward(self, image: Tensor, tokens: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the logits; with `lengths` (n,) the LSTM is read at the text's end."""
        states, (last, _) = self.lstm(tokens)
        text = last[0]
        if lengths is not None:
            text = states[torch.arange(len(states), device=states.device), lengths.long() - 1]
        picture = self.dropout(torch.relu(self.image(image)))
        both = torch.relu(self.both(torch.cat([picture, self.dropout(text)], dim=1)))
        return torch.cat([one(both) for one in self.classes], dim=1)


def fit(system: System, inputs: Inputs, draw: Draw, seed: int, settings: Settings) -> Fitted:
    """Train on the labelled rows; see lib.memes.systems.fit_seeds."""
    own = settings.rivals.tib_va
    tokens, lengths = needed(inputs.extra, "tokens", "token_lengths")
    targets = dict(zip(draw.labelled.tolist(), inputs.known(draw, system.outputs), strict=True))
    with seeded(seed):
        sizes = inputs.image.shape[1], tokens.shape[2], system.outputs
        model = TibVa(*sizes, own.hidden, own.dropout).to(device())

    def logits(rows: np.ndarray) -> Tensor:
        ends = taken(lengths, rows, device()) if own.mask_padding else None
        image = taken(inputs.image, rows, device())
        return model(image, taken(tokens, rows, device()), ends)

    def loss_of(rows: np.ndarray) -> Tensor:
        wanted = torch.stack([targets[row] for row in rows.tolist()])
        entropy = F.binary_cross_entropy_with_logits(logits(rows), wanted, reduction="none")
        return entropy.mean(0).sum()

    def scores(rows: np.ndarray) -> np.ndarray:
        return outputs(model, lambda part: torch.sigmoid(logits(part)), rows, BATCH)

    judged: list[dict[str, float]] = []
    best = _Best(own.keep, inputs, model)

    def after_epoch(epoch: int) -> None:
        seen = scores(inputs.validation)
        judged.append(inputs.judge(seen))
        best.look(seen)

    losses = train(model, loss_of, draw.labelled, course(own, seed), after_epoch)
    best.restore()
    return Fitted(scores(np.arange(len(inputs.split))), history_of(losses, judged), size(model))


def course(own: TibVaSettings, seed: int) -> Course:
    """Adam with a learning rate that halves after epochs 5, 10 and 15."""

    def falling(optimizer: Optimizer, steps: int) -> LRScheduler:
        return MultiStepLR(optimizer, [m * steps for m in own.milestones], own.factor)

    return Course(
        own.epochs, own.batch, own.lr, seed, own.weight_decay, BETAS, own.clip_norm, falling
    )


class _Best:
    """Weights of the epoch with the best macro F1 of misogynous on validation rows."""

    def __init__(self, keep: str, inputs: Inputs, model: nn.Module):
        self.truth = inputs.targets[inputs.validation, 0]
        self.active = keep == "best" and len(self.truth) > 0
        self.model, self.score, self.state = model, -1.0, {}

    def look(self, scores: np.ndarray) -> None:
        """Keep the weights if they are better than those before; scores are of 5 outputs."""
        if not self.active:
            return
        if scores.shape[1] != 5:
            raise ValueError("keep: best needs an output for misogynous; outputs must be 5")
        score = task_a(self.truth, (scores[:, 0] >= THRESHOLD).astype(int))
        if score > self.score:
            state = self.model.state_dict()
            self.score, self.state = score, {k: v.clone() for k, v in state.items()}

    def restore(self) -> None:
        """Put the best weights back."""
        if self.active:
            self.model.load_state_dict(self.state)
