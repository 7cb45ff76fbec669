"""Scores without decoding: both answers of each article in one forward pass.

    score = p(Likely | prompt) / (p(Likely | prompt) + p(Unlikely | prompt)),
    p(answer) = the product over its tokens and the end of its turn

Nothing is sampled, nothing is parsed and no article is left out, so that a threshold can be moved
and AUC and calibration exist. An answer's end is part of it: "Likely" cannot win as the beginning
of something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from inspect import signature
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from lib.vlm import VlmQlora
from lib.vlm.chat import ANSWERS, IGNORE, Article, Batch, encode
from lib.vlm.models import Vlm


def score(
    vlm: Vlm, articles: Sequence[Article], settings: VlmQlora, shots: Sequence[Article] = ()
) -> np.ndarray:
    """Return the probability of "Likely" (n,) float32, against "Unlikely"; labels are not read."""
    out = np.empty(len(articles), np.float32)
    order = sorted(range(len(articles)), key=lambda i: len(articles[i].text))
    vlm.model.eval()
    starts = range(0, len(order), settings.batch)
    with torch.inference_mode():
        for start in tqdm(starts, desc="score", unit="batch", delay=5):
            rows = order[start : start + settings.batch]
            twice = [articles[i] for i in rows for _ in ANSWERS]
            answers = list(ANSWERS) * len(rows)
            batch = encode(vlm.processor, twice, answers, settings, shots).to(vlm.device)
            found = answer_log_probs(vlm, batch, settings).sum(1).view(len(rows), len(ANSWERS))
            out[rows] = found.double().softmax(1)[:, 1].float().cpu().numpy()
    return out


def answer_loss(vlm: Vlm, batch: Batch, settings: VlmQlora) -> Tensor:
    """Return the mean cross-entropy of the answers' tokens."""
    log_probs = answer_log_probs(vlm, batch, settings)
    return -log_probs.sum() / (batch.labels != IGNORE).sum()


def answer_log_probs(vlm: Vlm, batch: Batch, settings: VlmQlora) -> Tensor:
    """Return the log-probability of each answer token (n, l), 0 at positions that are none.

    Logits are computed from the first answer on: a vocabulary of 128,000 for each token of the
    prompt would be most of the memory.
    """
    first = int((batch.labels != IGNORE).int().argmax(1).min())
    kept = torch.arange(first - 1, batch.labels.shape[1] - 1, device=batch.labels.device)
    options: dict[str, Any] = {"use_cache": False}
    if _keeps(vlm.model):
        options["logits_to_keep"] = kept
    with _autocast(vlm, settings):
        logits = vlm.model(**batch.inputs, **options).logits
    logits = logits if _keeps(vlm.model) else logits[:, kept]
    wanted = batch.labels[:, first:]
    there = wanted != IGNORE
    chosen = wanted.where(there, torch.zeros_like(wanted))
    log_probs = logits.float().log_softmax(-1).gather(2, chosen[:, :, None])[:, :, 0]
    return log_probs.where(there, torch.zeros_like(log_probs))


def _keeps(model: Any) -> bool:
    """Whether the model, below its adapters, can leave logits out."""
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "logits_to_keep" in signature(base.forward).parameters


def _autocast(vlm: Vlm, settings: VlmQlora) -> Any:
    """Return bf16 autocast on a GPU, or nothing."""
    if settings.precision == "fp32" or not vlm.device.startswith("cuda"):
        return nullcontext()
    return torch.autocast("cuda", dtype=torch.bfloat16)
