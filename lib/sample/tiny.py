"""A tiny untrained image-text model for smoke runs and tests: right shapes, no meaning."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.model import set_model_preprocess_cfg
from open_clip.transform import PreprocessCfg

from lib import paths
from lib.checkpoints import RECORD, save_local_dir

TINY_CFG = {
    "embed_dim": 32,
    "vision_cfg": {"image_size": 32, "patch_size": 8, "width": 32, "layers": 2, "head_width": 16},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
}


def tiny_clip(folder: Path | None = None, seed: int = 0, quick_gelu: bool = False) -> Path:
    """Return an open_clip `local-dir` folder with a seeded random CLIP (d = 32, 32 px, 6 MB).

    Made once, in about a second, in the scratch folder unless `folder` is given; an existing one
    is returned as it is.
    """
    folder = folder or paths.scratch("smoke", "models") / "tiny_clip"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_name(f"{folder.name}.lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # notebooks and tests may ask at the same time
        if not (folder / RECORD).is_file():
            _make(folder, seed, TINY_CFG | {"quick_gelu": quick_gelu})
    return folder


def _make(folder: Path, seed: int, model_cfg: dict[str, Any]) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = open_clip.CLIP(**model_cfg)
    size = model_cfg["vision_cfg"]["image_size"]
    set_model_preprocess_cfg(model, vars(PreprocessCfg(size=size)))
    save_local_dir(model, folder, model_cfg)
