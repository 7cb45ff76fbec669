"""The training loop: class weights, warm-up, early stopping on validation, resumable, AMP-ready."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score, roc_auc_score
from torch import Tensor

from lib.fnd.model.classifier import PairClassifier
from lib.fnd.model.feed import Feed
from lib.fnd.model.settings import FndClipTraining
from lib.resuming import Progress, restore, save
from lib.training import _autocast, _optimizer, schedule

PREDICT_BATCH = 512


def descend(
    model: PairClassifier,
    feeds: list[Feed],
    labels: list[Tensor],
    seed: int,
    settings: FndClipTraining,
    checkpoint: Path | None,
    key: str,
) -> list[dict[str, float]]:
    """Run epochs until validation no longer improves; leave the best weights in the model."""
    train = settings.train
    learning = {name: value for name, value in model.named_parameters() if value.requires_grad}
    state = learning | dict(model.named_buffers())  # batch norms' statistics are part of a model
    optimizer = _optimizer(learning, train, lambda name: ".tops." not in name)
    for group in optimizer.param_groups:
        group["fused"] = True  # a quarter of an epoch's time on a CPU
    device = next(model.parameters()).device
    scaler = torch.amp.GradScaler(device.type, enabled=train.precision == "amp")
    best = {name: value.detach().clone() for name, value in state.items()}
    at = Progress(0, -math.inf, 0, [], scaler.state_dict())
    if checkpoint is not None and settings.checkpoints and checkpoint.is_file():
        at = restore(checkpoint, key, state, best, optimizer) or at
        scaler.load_state_dict(at.scaler)
    while at.epoch < train.epochs and at.stale < train.patience:
        torch.manual_seed(seed * 100_003 + at.epoch)
        loss = _epoch(model, feeds[0], labels[0], (seed, at.epoch), settings, optimizer, scaler)
        score = _validate(model, feeds[1], labels[1], settings.select)
        at.history.append({"epoch": at.epoch, "loss": loss, "validation": score})
        at.stale += 1
        if score > at.best:
            at.best, at.stale = score, 0
            best = {name: value.detach().clone() for name, value in state.items()}
        at.epoch, at.scaler = at.epoch + 1, scaler.state_dict()
        if checkpoint is not None and settings.checkpoints:
            save(checkpoint, key, at, state, best, optimizer)
    with torch.no_grad():
        for name, value in state.items():
            value.copy_(best[name])
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return at.history


def _epoch(
    model: PairClassifier,
    feed: Feed,
    labels: Tensor,
    numbers: tuple[int, int],
    settings: FndClipTraining,
    optimizer: torch.optim.Optimizer,
    scaler: torch.amp.GradScaler,
) -> float:
    """Run one epoch, `numbers` = (seed, epoch), and return its mean loss."""
    model.train()
    train, epoch = settings.train, numbers[1]
    weight = _positive_weight(labels) if settings.class_weights else None
    batches = list(feed.epoch(settings.batch, np.random.default_rng(numbers)))
    losses = []
    for step, places in enumerate(batches, start=epoch * len(batches)):
        for group in optimizer.param_groups:
            total = train.epochs * len(batches)
            group["lr"] = group["peak"] * schedule(step, total, train.warmup)
        optimizer.zero_grad(set_to_none=True)
        batch, truth = feed.take(places), labels[torch.from_numpy(places).to(labels.device)]
        with _autocast(labels.device, train.precision):
            out = model(batch)
        loss = F.binary_cross_entropy_with_logits(out.logit.float(), truth, pos_weight=weight)
        if model.teacher is not None:
            lesson = model.teacher(out, batch, settings.teacher_margin)
            loss = loss + settings.teacher_weight * lesson
        if not torch.isfinite(loss):
            raise ValueError(f"epoch {epoch + 1}: the loss is {loss.item()}; lower train.lr_new?")
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        if train.clip_norm:
            torch.nn.utils.clip_grad_norm_(model.parameters(), train.clip_norm)
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item() * len(places))
    return sum(losses) / len(labels)


def _validate(model: PairClassifier, feed: Feed, labels: Tensor, select: str) -> float:
    """Return the score of validation rows, higher is better."""
    logits, truth = outputs_of(model, feed)["logit"], labels.cpu().numpy()
    if select == "auc":
        return float(roc_auc_score(truth, logits))
    if select == "macro_f1":
        return float(f1_score(truth, logits > 0, average="macro"))
    return -float(np.mean(np.logaddexp(0, logits) - truth * logits))


def _positive_weight(labels: Tensor) -> Tensor:
    """Return n_0 / n_1: both classes weigh the same in the loss."""
    ones = labels.sum()
    return (len(labels) - ones) / ones


def outputs_of(model: PairClassifier, feed: Feed) -> dict[str, np.ndarray]:
    """Return logit (n,), attention (n, K) and similarity (n,) where the network has them."""
    model.eval()
    parts: list[tuple[np.ndarray, dict[str, Tensor]]] = []
    with torch.inference_mode():
        for places in feed.epoch(PREDICT_BATCH, None):
            out = model(feed.take(places))._asdict()
            made = {key: out[key] for key in ("logit", "attention", "similarity")}
            parts.append((places, {k: v.float() for k, v in made.items() if v is not None}))
    order = np.argsort(np.concatenate([places for places, _ in parts]))
    return {
        key: torch.cat([made[key] for _, made in parts]).cpu().numpy()[order] for key in parts[0][1]
    }
