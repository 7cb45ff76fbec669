"""Model folders: open_clip's `local-dir` format plus a record of what the model was trained with.

A folder holds open_clip_config.json (model_cfg, preprocess_cfg), open_clip_model.safetensors, the
tokenizer's and text tower's files, and pairlab.json: activation, preprocessing, tokenizer and the
sha256 of the weights. It holds no absolute path, so it can be moved or committed.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.transformer import QuickGELU
from safetensors.torch import save_file

LOCAL = "local-dir:"
RECORD = "pairlab.json"
CONFIG = "open_clip_config.json"
WEIGHTS = "open_clip_model.safetensors"
PROBES = ("A photo of a bridge.", "#café at 7, isn't it?", "Über ŁÓDŹ 東京")


def save_local_dir(
    model: torch.nn.Module, folder: Path, model_cfg: dict[str, Any], extra: Sequence[Path] = ()
) -> None:
    """Write an open_clip `local-dir` folder that can be moved: config, weights, files, record.

    `model_cfg` is open_clip's (embed_dim, vision_cfg, text_cfg); a Hugging Face text tower is
    written as hf_model_name "." with its config.json and tokenizer files among `extra`, and
    `load_encoder` makes the path absolute. The folder appears whole or not at all.
    """
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for file in extra:
        shutil.copyfile(file, part / Path(file).name)
    config = {"model_cfg": model_cfg, "preprocess_cfg": _preprocess_of(model)}
    _write_json(part / CONFIG, config)
    state = {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}
    save_file(state, part / WEIGHTS, metadata={"format": "pt"})
    tokenizer = open_clip.get_tokenizer(f"{LOCAL}{part}")
    digest = file_digest(part / WEIGHTS)
    _write_json(part / RECORD, built(model, tokenizer) | {"weights_sha256": digest})
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)


def file_digest(path: Path) -> str:
    """Return the sha256 of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def built(model: torch.nn.Module, tokenizer: Any) -> dict[str, Any]:
    """Return what must agree between training and use: activation, preprocess, tokenizer."""
    return {
        "activation": activation_of(model),
        "preprocess": _preprocess_of(model),
        "tokenizer": _tokenizer_of(tokenizer),
    }


def activation_of(model: torch.nn.Module) -> dict[str, str]:
    """Return the activation of each tower as built, such as quick_gelu, gelu or relu6."""
    text = getattr(model, "text", None) or model.transformer
    return {"image": _activation(model.visual), "text": _activation(text)}


def _activation(tower: torch.nn.Module) -> str:
    """Return the names of a tower's activation modules, or a Hugging Face tower's hidden_act."""
    if hasattr(tower, "config"):
        return str(tower.config.hidden_act)
    kinds = {
        "quick_gelu" if isinstance(module, QuickGELU) else type(module).__name__.lower()
        for module in tower.modules()
        if isinstance(module, QuickGELU) or type(module).__module__ == "torch.nn.modules.activation"
    }
    return "+".join(sorted(kinds - {"multiheadattention"})) or "none"


def _preprocess_of(model: torch.nn.Module) -> dict[str, Any]:
    """Return open_clip's preprocessing of a model, as JSON holds it (size is [h, w])."""
    size = model.visual.preprocess_cfg["size"]
    size = [size, size] if isinstance(size, int) else list(size)
    return json.loads(json.dumps(dict(model.visual.preprocess_cfg) | {"size": size}))


def _tokenizer_of(tokenizer: Any) -> dict[str, Any]:
    """Return a tokenizer's kind, context length and the digest of what it makes of PROBES."""
    ids = tokenizer(list(PROBES)).numpy().astype("<i8").tobytes()
    return {
        "kind": type(tokenizer).__name__,
        "context_length": tokenizer.context_length,
        "probe_sha256": hashlib.sha256(ids).hexdigest(),
    }


def state_digest(model: torch.nn.Module) -> str:
    """Return the sha256 over names and bytes of all weights, for models that have no folder."""
    digest = hashlib.sha256()
    for key, value in sorted(model.state_dict().items()):
        digest.update(key.encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


def _write_json(path: Path, value: Any) -> None:
    """Write JSON for people: sorted keys, two spaces, final newline."""
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n", encoding="utf-8")
