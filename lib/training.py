"""The one contrastive training loop: any pair of towers, any batch in any memory, resumable.

A model offers `encode_image`, `encode_text` and `logit_scale`, as every open_clip model does, and
so does `lib.boundary.Split`, whose inputs are activations cached at a frozen boundary. A batch that
does not fit is run in micro-batches whose gradients equal the full batch's: the features of all of
them are computed without gradients, the loss is differentiated with respect to the features, and
each micro-batch is run again to carry its part back (Gao et al. 2021, GradCache). The gradient of
logit_scale comes from the loss alone, once: open_clip's --accum-freq k makes it k times too large.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.nn.functional as F
from tqdm.auto import tqdm

from lib.resuming import Progress, restore, save

MAX_LOG_SCALE = math.log(100)  # CLIP (Radford et al. 2021) clips the logit scale at 100
OPTIMIZERS = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam}
Tensors = dict[str, torch.Tensor]


class Batches(Protocol):
    """Training pairs: `steps` batches an epoch, the same ones whenever an epoch is asked again."""

    steps: int

    def epoch(self, number: int) -> Iterator[tuple[Any, Any, torch.Tensor | None]]:
        """Yield (image input, text input, group); rows of equal group are no negatives."""


@dataclass(frozen=True)
class TrainSettings:
    """Settings of one training run."""

    epochs: int = 10
    lr: float = 1e-4  # peak learning rate of pretrained weights
    lr_new: float = 1e-3  # of weights that start at random
    weight_decay: float = 0.05  # none on biases, norms and logit_scale
    warmup: float = 0.1  # share of all steps
    patience: int = 3  # epochs without a better validation score before stopping
    micro_batch: int = 0  # rows run at once; 0 = the whole batch
    clip_norm: float = 1.0  # largest norm of the gradient; 0 = no clipping
    precision: str = "fp32"  # fp32, amp (fp16 with loss scaling) or amp_bf16
    optimizer: str = "adamw"  # adamw, or adam (weight_decay added to the gradient)
    seed: int = 0

    def validate(self) -> None:
        """Raise ValueError("key: why") for a value out of range."""
        if self.epochs < 1:
            raise ValueError(f"epochs: must be at least 1, got {self.epochs}")
        if min(self.lr, self.lr_new) <= 0:
            raise ValueError(f"lr: must be positive, got {self.lr}, {self.lr_new}")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup: must be in [0, 1), got {self.warmup}")
        if self.precision not in ("fp32", "amp", "amp_bf16"):
            raise ValueError(f"precision: must be fp32, amp or amp_bf16, got {self.precision}")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer: must be adamw or adam, got {self.optimizer}")


def fit(
    model: torch.nn.Module,
    batches: Batches,
    settings: TrainSettings,
    validate: Callable[[], float],
    is_new: Callable[[str], bool] = lambda name: False,
    checkpoint: Path | None = None,
    key: str = "",
    after_epoch: Callable[[int, Tensors], None] = lambda epoch, trained: None,
) -> list[dict[str, float]]:
    """Train `model` in place to its best epoch by `validate` (higher is better); return history.

    `is_new(name)` picks the weights that learn with `lr_new`. With `checkpoint` (a file) a killed
    run goes on after its last epoch, to the same bytes, if `key` (a digest of data and settings)
    is the same; the file is removed by the caller when the result is safe. `after_epoch` gets the
    epoch's number and its weights (the live ones, by name); an epoch that was killed before its
    checkpoint runs, and calls, again.
    """
    device = next(model.parameters()).device
    trained = {n: p for n, p in model.named_parameters() if p.requires_grad}
    optimizer = _optimizer(trained, settings, is_new)
    scaler = torch.amp.GradScaler(device.type, enabled=settings.precision == "amp")
    best = {name: value.detach().clone() for name, value in trained.items()}
    at = Progress(0, -math.inf, 0, [], scaler.state_dict())
    if checkpoint is not None and checkpoint.is_file():
        at = restore(checkpoint, key, trained, best, optimizer) or at
        scaler.load_state_dict(at.scaler)
    bar = tqdm(range(at.epoch, settings.epochs), desc="train", unit="epoch")
    for epoch in bar:
        if at.stale >= settings.patience:
            break
        torch.manual_seed(settings.seed * 100_003 + epoch)
        loss = _epoch(model, batches, epoch, settings, optimizer, scaler, trained)
        score = validate()
        at.history.append({"epoch": epoch, "loss": loss, "validation": score})
        at.stale += 1
        if score > at.best:
            at.best, at.stale = score, 0
            best = {name: value.detach().clone() for name, value in trained.items()}
        after_epoch(epoch, {name: value.detach() for name, value in trained.items()})
        at.epoch, at.scaler = epoch + 1, scaler.state_dict()
        bar.set_postfix(loss=f"{loss:.3f}", validation=f"{score:.3f}")
        if checkpoint is not None:
            save(checkpoint, key, at, trained, best, optimizer)
    with torch.no_grad():
        for name, value in trained.items():
            value.copy_(best[name])
    return at.history


def contrastive_loss(
    image: torch.Tensor, text: torch.Tensor, logit_scale: torch.Tensor, group: torch.Tensor | None
) -> torch.Tensor:
    """Return CLIP's loss: cross-entropy of s·I·Tᵀ over rows and columns, halved (a scalar).

    `image`, `text` (n, d), unit length; `group` (n,) or None: other rows of the same group are
    left out of a row's negatives, for they would be right too.
    """
    logits = logit_scale.exp() * image @ text.T
    if group is not None:
        same = group[:, None] == group[None, :]
        same.fill_diagonal_(False)
        logits = logits.masked_fill(same, -torch.inf)
    target = torch.arange(len(logits), device=logits.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


def backward(
    model: torch.nn.Module,
    batch: tuple[Any, Any, torch.Tensor | None],
    micro_batch: int = 0,
    precision: str = "fp32",
    scaler: torch.amp.GradScaler | None = None,
) -> float:
    """Add the gradients of one batch's loss to the model and return the loss.

    With `micro_batch` rows at a time the gradients equal the full batch's, logit_scale included.
    """
    image, text, group = batch
    rows = len(image[0] if isinstance(image, tuple) else image)
    size = micro_batch or rows
    scale = scaler.scale if scaler is not None else (lambda loss: loss)
    parts = [slice(start, start + size) for start in range(0, rows, size)]
    device = next(model.parameters()).device
    if len(parts) == 1:
        with _autocast(device, precision):
            features = _features(model, image, text)
        loss = contrastive_loss(*(f.float() for f in features), model.logit_scale, group)
        scale(loss).backward()
        return loss.item()
    seeds = torch.randint(2**31, (len(parts),)).tolist()
    cached = []
    for part, seed in zip(parts, seeds, strict=True):
        with torch.no_grad(), _autocast(device, precision), _seeded(seed, device):
            cached.append(_features(model, _take(image, part), _take(text, part)))
    whole = [torch.cat(f).float().requires_grad_() for f in zip(*cached, strict=True)]
    loss = contrastive_loss(*whole, model.logit_scale, group)
    scale(loss).backward()
    for part, seed in zip(parts, seeds, strict=True):
        with _autocast(device, precision), _seeded(seed, device):
            features = _features(model, _take(image, part), _take(text, part))
        # A locked tower's features are constants.
        learning = [
            (f.float(), w.grad[part])
            for f, w in zip(features, whole, strict=True)
            if f.requires_grad
        ]
        torch.autograd.backward(*map(list, zip(*learning, strict=True)))
    return loss.item()


def _epoch(
    model: torch.nn.Module,
    batches: Batches,
    epoch: int,
    settings: TrainSettings,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
    trained: dict[str, torch.nn.Parameter],
) -> float:
    """Run one epoch and return its mean loss."""
    total = settings.epochs * batches.steps
    losses = []
    for step, batch in enumerate(batches.epoch(epoch), start=epoch * batches.steps):
        for group in optimizer.param_groups:
            group["lr"] = group["peak"] * schedule(step, total, settings.warmup)
        optimizer.zero_grad(set_to_none=True)
        losses.append(backward(model, batch, settings.micro_batch, settings.precision, scaler))
        scaler.unscale_(optimizer)
        if settings.clip_norm:
            torch.nn.utils.clip_grad_norm_(trained.values(), settings.clip_norm)
        scaler.step(optimizer)
        scaler.update()
        with torch.no_grad():
            model.logit_scale.clamp_(0, MAX_LOG_SCALE)
    return sum(losses) / len(losses)


def schedule(step: int, total: int, warmup: float) -> float:
    """Return the factor on the learning rate: linear warm-up, then half a cosine to zero."""
    rise = warmup * total
    if step < rise:
        return (step + 1) / (rise + 1)
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1.0, total - rise)))


def _optimizer(
    trained: dict[str, torch.nn.Parameter], settings: TrainSettings, is_new: Callable[[str], bool]
) -> torch.optim.Optimizer:
    """Return the optimiser (CLIP's betas) with a group for each learning rate and decay."""
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, value in trained.items():
        rate = settings.lr_new if is_new(name) else settings.lr
        decay = settings.weight_decay if value.ndim >= 2 else 0.0
        groups.setdefault((rate, decay), []).append(value)
    return OPTIMIZERS[settings.optimizer](
        [
            {"params": values, "lr": rate, "peak": rate, "weight_decay": decay}
            for (rate, decay), values in groups.items()
        ],
        betas=(0.9, 0.98),
        eps=1e-6,
    )


def _features(model: torch.nn.Module, image: Any, text: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return unit-length features of one (micro-)batch."""
    return (
        F.normalize(model.encode_image(image), dim=-1),
        F.normalize(model.encode_text(text), dim=-1),
    )


def _take(inputs: Any, part: slice) -> Any:
    """Return some rows of an input: a tensor, or a tuple of tensors."""
    return tuple(one[part] for one in inputs) if isinstance(inputs, tuple) else inputs[part]


def _autocast(device: torch.device, precision: str) -> Any:
    """Return the autocast context of an AMP precision, or one that does nothing."""
    if precision == "fp32":
        return nullcontext()
    half = torch.bfloat16 if precision == "amp_bf16" else torch.float16
    return torch.autocast(device.type, dtype=half)


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Draw from generators seeded anew, and put the old ones back: dropout falls the same twice."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
