"""The training loop of every meme head and auto-encoder: tensors in memory, no DataLoader.

Features are small (768 numbers a modality), so a DataLoader's bookkeeping costs more than the
mathematics: rows are drawn by index, and Adam is fused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Descent:
    """Settings of one run; the defaults are RAW-N-COOK's as released (arXiv 2304.00020)."""

    epochs: int = 50  # the last one counts: no choice on validation, as released
    batch: int = 40  # rows; the last batch of an epoch may be smaller
    lr: float = 1e-4  # Adam
    weight_decay: float = 0.0  # added to the gradient
    step_gamma: float = 0.85  # factor on the learning rate after each epoch (not focal's gamma)
    seed: int = 42  # of initial weights, order of rows and dropout

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        for key in ("epochs", "batch"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key}: must be at least 1, got {getattr(self, key)}")
        if self.lr <= 0:
            raise ValueError(f"lr: must be positive, got {self.lr}")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay: must be 0 or more, got {self.weight_decay}")
        if not 0 < self.step_gamma <= 1:
            raise ValueError(f"step_gamma: must be in (0, 1], got {self.step_gamma}")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Draw from torch's generator seeded anew, and put the old state back afterwards."""
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        yield


def descend(
    module: nn.Module,
    loss_of: Callable[[Tensor], Tensor],
    rows: int,
    settings: Descent,
    after_epoch: Callable[[int], None] = lambda epoch: None,
) -> list[float]:
    """Train `module` in place on rows 0..rows-1; return the mean loss of each epoch.

    `loss_of` maps the indices (b,) of a batch to its loss, a mean over the batch. The module is
    in training mode during an epoch and in evaluation mode at `after_epoch` and at the end. Same
    seed, machine and inputs: the same weights. Raises ValueError without rows, or when the loss
    stops being finite.
    """
    settings.validate()
    if rows < 1:
        raise ValueError("rows: there is nothing to train on")
    parameters = [p for p in module.parameters() if p.requires_grad]
    decay = settings.weight_decay
    optimizer = torch.optim.Adam(parameters, lr=settings.lr, weight_decay=decay, fused=True)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, settings.step_gamma)
    history = []
    with seeded(settings.seed):
        for epoch in range(settings.epochs):
            module.train()
            total = torch.zeros((), device=parameters[0].device)
            order = torch.randperm(rows).to(parameters[0].device)
            for batch in order.split(settings.batch):
                optimizer.zero_grad(set_to_none=True)
                loss = loss_of(batch)
                loss.backward()
                optimizer.step()
                total += loss.detach() * len(batch)
            schedule.step()
            history.append(total.item() / rows)
            if not torch.isfinite(total):
                raise ValueError(f"epoch {epoch + 1}: the loss is {history[-1]}; lower lr?")
            module.eval()
            after_epoch(epoch)
    return history
