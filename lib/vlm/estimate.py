"""Memory and GPU hours of a fine-tuning run, reckoned from a configuration: an estimate.

weights      2 bytes a parameter; linear layers in nf4: 4.127 bits (Dettmers et al. 2023), where
             all others, words and head most of them, are raised to 4 bytes for training
adapters     16 bytes each (fp32: weight, gradient, two moments)
activations  with checkpointing: a hidden state a layer and one layer's own
logits       answer positions alone
compute      2 FLOP a parameter and token forward; adapters: once more for checkpointing and
             once for gradients of activations, so 6; weights are frozen, theirs are not taken
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd
import torch
from transformers import AutoModelForImageTextToText

from lib.vlm import PROJECTIONS, Lora, Recipe, Tuning
from lib.vlm.models import lora_config

NF4 = 4.127 / 8  # bytes a parameter, constants of double quantisation with it
LAYER = 34  # bytes of one layer's activations a token and unit of width (Korthikanti et al. 2022)
OVERHEAD = 1.5e9  # bytes: CUDA's context, workspaces, fragments
GIGA = 1e9


class Estimate(NamedTuple):
    """What a run takes; bytes in GB (1e9), time in hours of one GPU."""

    parameters: int
    trainable: int
    weights_gb: float
    adapters_gb: float
    activations_gb: float
    peak_gb: float
    hours: float


class Machine(NamedTuple):
    """A GPU: dense bf16 peak in FLOP/s, and the share of it that such runs reach."""

    name: str
    flops: float
    used: float = 0.3


A100 = Machine("A100", 312e12)  # NVIDIA's data sheet


ROWS, TOKENS = 10_000, 1024  # of the published training set, and of a prompt with its picture
RECIPES = (
    Recipe(),
    Recipe("ours", Lora(rank=16, alpha=32, targets=PROJECTIONS),
           Tuning(epochs=2, batch=2, accumulate=8)),
)  # fmt: skip


def compared(
    config: Any, recipes: Sequence[Recipe], rows: int, tokens: int, machine: Machine = A100
) -> pd.DataFrame:
    """Return the estimates of recipes, each with the base in 4 bits and in bf16: a row each."""
    made = {
        (recipe.name, base): estimate(
            config, recipe.lora, recipe.tuning, rows, tokens, base == "nf4", machine
        )
        for recipe in recipes
        for base in ("nf4", "bf16")
    }
    names = pd.MultiIndex.from_tuples(made, names=("recipe", "base"))
    return pd.DataFrame(made.values(), index=names)


def estimate(
    config: Any,
    lora: Lora,
    tuning: Tuning,
    rows: int,
    tokens: int,
    nf4: bool = True,
    machine: Machine = A100,
    answer: int = 4,
) -> Estimate:
    """Return what tuning on `rows` articles takes; no weight is loaded.

    `config`: of a transformers image-text-to-text model; `tokens`: of a prompt with its picture;
    `answer`: tokens of an answer with its end.
    """
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(config)
    linear, rest = _counted(model)
    adapters = _adapters(model, lora)
    text = config.get_text_config()
    batch = tuning.batch * tokens * text.hidden_size
    layers = text.num_hidden_layers
    states = (
        batch * (2 * layers + LAYER) if tuning.gradient_checkpointing else batch * LAYER * layers
    )
    logits = tuning.batch * answer * text.vocab_size * 8
    weights = linear * NF4 + rest * 4 if nf4 else (linear + rest) * 2
    peak = weights + 16 * adapters + states + logits + OVERHEAD
    passes = 6 if tuning.gradient_checkpointing else 4
    flops = passes * (linear + adapters) * tokens * rows * tuning.epochs
    hours = flops / (machine.flops * machine.used) / 3600
    gb = (value / GIGA for value in (weights, 16 * adapters, states + logits, peak))
    return Estimate(linear + rest, adapters, *gb, hours)


def _counted(model: torch.nn.Module) -> tuple[int, int]:
    """Return the weights of linear layers that bitsandbytes quantises, and all others."""
    total = sum(p.numel() for p in model.parameters())
    head = model.get_output_embeddings()
    linear = sum(
        module.weight.numel()
        for module in model.modules()
        if isinstance(module, torch.nn.Linear) and module is not head
    )
    return linear, total - linear


def _adapters(model: torch.nn.Module, lora: Lora) -> int:
    """Return the number of weights that adapters add: rank x (in + out) for each projection."""
    pattern = re.compile(lora_config(lora).target_modules)
    return sum(
        lora.rank * (module.in_features + module.out_features)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and pattern.fullmatch(name)
    )
