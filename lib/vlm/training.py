"""Fine-tuning of adapters: balanced articles, answers alone as loss, rounds that can go on.

A round is some steps, a validation and a checkpoint (lib.resuming), so a run of days that is killed
goes on after its last round, to the same bytes. The best round by validation loss counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from lib.resuming import Progress, restore, save
from lib.vlm import Tuning, VlmError, VlmQlora
from lib.vlm.chat import ANSWERS, Article, Batch, encode
from lib.vlm.models import Vlm
from lib.vlm.scoring import answer_loss


def balanced(articles: Sequence[Article], rows: int, seed: int) -> list[Article]:
    """Return `rows` articles (0: as many as there are), half of each of the labels that are scored.

    Raises VlmError where a label is missing.
    """
    rng = np.random.default_rng(seed)
    parts = [[a for a in articles if a.label == label] for label in range(len(ANSWERS))]
    least = min(len(part) for part in parts)
    if not least:
        raise VlmError(f"training articles: none is {ANSWERS[[len(p) for p in parts].index(0)]}")
    each = min(least, rows // 2) if rows else least
    if not each:
        raise VlmError(f"tuning.rows: {rows} leave no article of each label")
    chosen = [part[i] for part in parts for i in rng.permutation(len(part))[:each]]
    return [chosen[i] for i in rng.permutation(len(chosen))]


def tune(
    vlm: Vlm,
    train: Sequence[Article],
    validation: Sequence[Article],
    settings: VlmQlora,
    tuning: Tuning,
    seed: int,
    checkpoint: Path,
    key: str,
) -> list[dict[str, float]]:
    """Train the adapters of `vlm` in place to their best round; return the history.

    Each entry: round, step, loss (mean of the round) and validation (loss). A checkpoint of the
    same `key` (a digest of data and settings) is gone on from; the caller removes it. Raises
    VlmError when the loss stops being finite.
    """
    trained = {n: p for n, p in vlm.model.named_parameters() if p.requires_grad}
    optimizer = torch.optim.AdamW(trained.values(), lr=tuning.lr, weight_decay=tuning.weight_decay)
    best = {name: value.detach().clone() for name, value in trained.items()}
    at = Progress(0, -math.inf, 0, [], {})
    if checkpoint.is_file():
        at = restore(checkpoint, key, trained, best, optimizer) or at
    steps = steps_of(len(train), tuning)
    rounds = math.ceil(steps / tuning.round_steps)
    for number in (bar := tqdm(range(at.epoch, rounds), desc="tune", unit="round", delay=5)):
        todo = range(number * tuning.round_steps, min((number + 1) * tuning.round_steps, steps))
        loss = np.mean(
            [_step(vlm, train, settings, tuning, seed, i, optimizer, trained) for i in todo]
        )
        held = validation_loss(vlm, validation, settings)
        if not math.isfinite(loss + held):
            raise VlmError(
                f"round {number + 1}: the loss is {loss}, {held} on validation; lower lr?"
            )
        entry = {"round": number, "step": todo[-1] + 1, "loss": float(loss), "validation": held}
        at.history.append(entry)
        bar.set_postfix(loss=f"{loss:.3f}", validation=f"{held:.3f}")
        if -held > at.best:
            at.best = -held
            best = {name: value.detach().clone() for name, value in trained.items()}
        at.epoch = number + 1
        save(checkpoint, key, at, trained, best, optimizer)
    with torch.no_grad():
        for name, value in trained.items():
            value.copy_(best[name])
    return at.history


def steps_of(rows: int, tuning: Tuning) -> int:
    """Return the number of steps on `rows` articles; the last of an epoch may be smaller."""
    return tuning.epochs * math.ceil(rows / (tuning.batch * tuning.accumulate))


def validation_loss(vlm: Vlm, articles: Sequence[Article], settings: VlmQlora) -> float:
    """Return the mean loss a token of the right answers, in evaluation mode."""
    vlm.model.eval()
    total = 0.0
    with torch.inference_mode():
        for start in range(0, len(articles), settings.batch):
            part = articles[start : start + settings.batch]
            batch = _batch(vlm, part, settings)
            total += answer_loss(vlm, batch, settings).item() * len(part)
    return total / len(articles)


def _step(
    vlm: Vlm,
    train: Sequence[Article],
    settings: VlmQlora,
    tuning: Tuning,
    seed: int,
    step: int,
    optimizer: torch.optim.Optimizer,
    trained: dict[str, torch.nn.Parameter],
) -> float:
    """Take one step and return its loss; what it draws depends on seed and step alone."""
    size = tuning.batch * tuning.accumulate
    epoch, place = divmod(step, math.ceil(len(train) / size))
    order = np.random.default_rng([seed, epoch]).permutation(len(train))
    rows = order[place * size : (place + 1) * size]
    warm = tuning.warmup * steps_of(len(train), tuning)
    for group in optimizer.param_groups:
        group["lr"] = tuning.lr * min(1.0, (step + 1) / (warm + 1))
    torch.manual_seed(seed * 1_000_003 + step)
    vlm.model.train()
    optimizer.zero_grad(set_to_none=True)
    total = 0.0
    for start in range(0, len(rows), tuning.batch):
        part = [train[i] for i in rows[start : start + tuning.batch]]
        loss = answer_loss(vlm, _batch(vlm, part, settings), settings) * len(part) / len(rows)
        loss.backward()
        total += loss.item()
    torch.nn.utils.clip_grad_norm_(trained.values(), tuning.clip_norm)
    optimizer.step()
    return total


def _batch(vlm: Vlm, articles: Sequence[Article], settings: VlmQlora) -> Batch:
    """Return articles with their right answers."""
    answers = [ANSWERS[one.label] for one in articles]
    return encode(vlm.processor, articles, answers, settings).to(vlm.device)
