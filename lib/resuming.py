"""Checkpoints of a training run: what a killed run needs to end with the same bytes.

One safetensors file holds the weights as they are now, the best ones so far and the optimiser's
state; its metadata holds the progress and the digest of data and settings that it belongs to.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file


@dataclass
class Progress:
    """What changes from epoch to epoch besides tensors; saved as JSON beside them."""

    epoch: int
    best: float
    stale: int
    history: list[dict[str, float]]
    scaler: dict[str, Any]  # of the loss under fp16; empty otherwise


def save(
    file: Path,
    key: str,
    at: Progress,
    trained: dict[str, torch.nn.Parameter],
    best: dict[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write weights, best weights and optimiser state; the file appears whole or not at all."""
    tensors = {f"now/{name}": value.detach() for name, value in trained.items()}
    tensors |= {f"best/{name}": value for name, value in best.items()}
    for name, value in trained.items():
        for part, state in optimizer.state[value].items():
            tensors[f"optimizer/{part}/{name}"] = state
    tensors = {name: value.cpu().contiguous() for name, value in tensors.items()}
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(tensors, part, metadata={"key": key, "progress": json.dumps(vars(at))})
    os.replace(part, file)


def restore(
    file: Path,
    key: str,
    trained: dict[str, torch.nn.Parameter],
    best: dict[str, torch.Tensor],
    optimizer: torch.optim.Optimizer,
) -> Progress | None:
    """Load a checkpoint of the same `key` into its places; None where it is another run's."""
    with safe_open(file, "pt") as saved:
        if saved.metadata()["key"] != key:
            return None
        names = set(saved.keys())
        for name, value in trained.items():
            with torch.no_grad():
                value.copy_(saved.get_tensor(f"now/{name}"))
            best[name] = saved.get_tensor(f"best/{name}").to(value.device)
            for part in ("step", "exp_avg", "exp_avg_sq"):
                if (entry := f"optimizer/{part}/{name}") in names:
                    state = saved.get_tensor(entry)
                    place = state if part == "step" else state.to(value.device)
                    optimizer.state[value][part] = place
        return Progress(**json.loads(saved.metadata()["progress"]))
