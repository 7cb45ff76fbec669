"""A trained system on disk: model.safetensors and config.json, loaded strictly or not at all.

The page's checkpoint went through load_state_dict(strict=False) with other names than the
module's: what did not fit stayed random without a word. Here one line names the first tensor that
is missing, left over, or of another shape. The config says what a score means: 1 is Likely.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from lib import params, paths
from lib.fnd.model.classifier import PairClassifier
from lib.fnd.model.feed import Fill
from lib.fnd.systems import System

WEIGHTS, CONFIG = "model.safetensors", "config.json"
POSITIVE = {"label": 1, "name": "Likely"}  # the class whose probability a score is
FILL = "fill"


class ModelError(RuntimeError):
    """A saved system cannot be loaded as it was trained; one line says why."""


def write_model(
    folder: Path, system: System, members: list[PairClassifier], fill: Fill, config: dict[str, Any]
) -> None:
    """Write a system; the folder appears whole or not at all."""
    tensors = {
        f"{number}.{name}": value.detach().cpu().contiguous()
        for number, member in enumerate(members)
        for name, value in member.state_dict().items()
    }
    tensors |= {f"{FILL}.{name}": torch.from_numpy(np.array(one)) for name, one in fill.items()}
    whole = {"system": asdict(system), "members": len(members), "positive": POSITIVE} | config
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    save_file(tensors, part / WEIGHTS, metadata={"format": "pt"})
    text = json.dumps(whole, indent=1, sort_keys=True) + "\n"
    (part / CONFIG).write_text(text, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)


def read_config(folder: Path) -> tuple[System, dict[str, Any]]:
    """Return the system and the whole config of a saved model; ModelError where it is not one."""
    where = paths.relative(folder / CONFIG)
    if not (folder / CONFIG).is_file():
        raise ModelError(f"{where}: no such file")
    config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    if config.get("positive") != POSITIVE:
        raise ModelError(f"{where}: positive: must be {POSITIVE}, got {config.get('positive')!r}")
    return params.load(folder / CONFIG, "system", System), config  # JSON is YAML


def read_weights(folder: Path, members: list[PairClassifier]) -> Fill:
    """Put saved weights into networks, name by name, and return what fills missing rows."""
    where = paths.relative(folder / WEIGHTS)
    try:
        tensors: Mapping[str, torch.Tensor] = load_file(folder / WEIGHTS)
    except (OSError, SafetensorError) as error:
        raise ModelError(f"{where}: not readable as safetensors ({error})") from None
    fill = {n.partition(".")[2]: t for n, t in tensors.items() if n.startswith(f"{FILL}.")}
    given = {name: t for name, t in tensors.items() if not name.startswith(f"{FILL}.")}
    wanted = {
        f"{number}.{name}": value
        for number, member in enumerate(members)
        for name, value in member.state_dict().items()
    }
    if missing := sorted(set(wanted) - set(given)):
        raise ModelError(f"{where}: {len(missing)} tensors are missing, such as {missing[0]}")
    if extra := sorted(set(given) - set(wanted)):
        raise ModelError(f"{where}: {len(extra)} tensors have no place, such as {extra[0]}")
    for name, value in wanted.items():
        if value.shape != given[name].shape:
            shapes = f"{tuple(given[name].shape)}, not {tuple(value.shape)}"
            raise ModelError(f"{where}: {name} has shape {shapes}")
        with torch.no_grad():
            value.copy_(given[name])
    return {name: tensor.numpy() for name, tensor in fill.items()}
