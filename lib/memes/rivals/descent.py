"""The training loop of the rivals: their schedules and clipping, batches drawn by position.

lib.memes.nets.descent is the loop of the study's own heads, whose features lie in memory whole;
here a batch is taken from memory-mapped arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from lib.memes.nets.descent import seeded

Schedule = Callable[[Optimizer, int], LRScheduler]  # optimiser, steps an epoch -> stepped each step
BETAS = (0.9, 0.999)


@dataclass(frozen=True)
class Course:
    """One run of Adam."""

    epochs: int
    batch: int
    lr: float
    seed: int
    weight_decay: float = 0.0
    betas: tuple[float, float] = BETAS
    clip_norm: float = 0.0  # 0: no clipping
    schedule: Schedule | None = None  # None: a constant learning rate


def train(
    module: nn.Module,
    loss_of: Callable[[np.ndarray], Tensor],
    rows: np.ndarray,
    course: Course,
    after_epoch: Callable[[int], None] = lambda epoch: None,
) -> list[float]:
    """Train `module` in place on positions `rows`; return the mean loss of each epoch.

    `loss_of` maps the positions of a batch, a part of `rows`, to a mean loss. A last batch of a
    single row is left out. Training mode during an epoch, evaluation mode at `after_epoch` and at
    the end. Raises ValueError without rows, or when the loss stops being finite.
    """
    if len(rows) < 2:
        raise ValueError(f"rows: {len(rows)} are too few to train on")
    parameters = [p for p in module.parameters() if p.requires_grad]
    optimizer = torch.optim.Adam(
        parameters, lr=course.lr, betas=course.betas, weight_decay=course.weight_decay, fused=True
    )
    steps = -(-len(rows) // course.batch) - (len(rows) % course.batch == 1)
    schedule = course.schedule(optimizer, steps) if course.schedule else None
    losses = []
    with seeded(course.seed):
        for epoch in range(course.epochs):
            module.train()
            order, total = torch.randperm(len(rows)).numpy(), 0.0
            for start in range(0, steps * course.batch, course.batch):
                batch = rows[order[start : start + course.batch]]
                optimizer.zero_grad(set_to_none=True)
                loss = loss_of(batch)
                loss.backward()
                if course.clip_norm:
                    nn.utils.clip_grad_norm_(parameters, course.clip_norm)
                optimizer.step()
                if schedule is not None:
                    schedule.step()
                total += loss.item() * len(batch)
            losses.append(total / len(rows))
            if not np.isfinite(total):
                raise ValueError(f"epoch {epoch + 1}: the loss is {losses[-1]}; lower lr?")
            module.eval()
            after_epoch(epoch)
    return losses


@torch.inference_mode()
def outputs(
    module: nn.Module,
    run: Callable[[np.ndarray], Tensor],
    rows: np.ndarray,
    batch: int,
    seed: int = 0,
) -> np.ndarray:
    """Return `run` over positions `rows`, batch by batch, in evaluation mode: float32.

    Seeded, for ViLT shuffles its patches also when nothing is learnt.
    """
    module.eval()
    with seeded(seed):
        parts = [run(rows[i : i + batch]).float().cpu() for i in range(0, len(rows), batch)]
    return torch.cat(parts).numpy()


def taken(array: np.ndarray, rows: np.ndarray, device: torch.device) -> Tensor:
    """Return some rows of a memory-mapped array on a device; float16 becomes float32."""
    part = torch.from_numpy(np.ascontiguousarray(array[rows])).to(device)
    return part.float() if part.is_floating_point() else part


def needed(extra: Mapping[str, np.ndarray], *names: str) -> list[np.ndarray]:
    """Return arrays of `Inputs.extra`; ValueError names one that is not there."""
    for name in names:
        if name not in extra:
            raise ValueError(f"features: {name!r} is missing; run the stage features_mami")
    return [extra[name] for name in names]


def size(module: nn.Module) -> int:
    """Return the number of a module's parameters."""
    return sum(parameter.numel() for parameter in module.parameters())
