"""Image-text encoders: any open_clip model, with the traps of loading one turned into errors.

open_clip warns, or says nothing, where the result would be wrong: no weights (a random model),
an OpenAI tag on a GELU definition, a bare weight file with the default preprocessing, a local
text tower looked up from the working directory. Here each is an EncoderError of one line, or is
put right and said so in `Encoder.info`. Folders written by lib.checkpoints record what they were
trained with in `pairlab.json`; loading compares the record with what was built.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import open_clip
import torch
from open_clip.factory import _find_checkpoint_in_dir
from open_clip.model import get_input_dtype
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
from PIL import Image
from safetensors import SafetensorError, safe_open

from lib import paths
from lib.checkpoints import CONFIG, LOCAL, RECORD, built, file_digest, state_digest

RESIZES = ("shortest", "longest", "squash")  # open_clip's ways to its input size


class EncoderError(RuntimeError):
    """A model cannot be loaded as it was trained; the message is one line and names the cause."""


@dataclass(frozen=True)
class EncoderSource:
    """An encoder of the settings: the folder of its features, and what load_encoder takes."""

    name: str  # folder under the embeddings
    model: str  # open_clip's name, hf-hub: or local-dir:<folder>
    pretrained: str | None = None  # tag of the weights; none for local-dir:<folder>
    resize: str | None = None  # squash, shortest or longest; none: the encoder's own way


@dataclass(frozen=True)
class Encoder:
    """A loaded image-text model with everything needed to feed it.

    `preprocess` maps a PIL image to a (3, h, w) tensor, `tokenizer` a list of n strings to (n, l)
    ids; `dim` is the embedding width d; `info` is what a manifest must hold: name, pretrained,
    definition, activation, preprocess, tokenizer, weights_sha256, logit_scale.
    """

    model: torch.nn.Module
    preprocess: Any
    tokenizer: Any
    dim: int
    info: dict[str, Any]
    device: str = "cpu"
    precision: str = "fp32"


def load_encoder(
    name: str, pretrained: str | None = None, device: str = "cpu", precision: str = "fp32",
    resize: str | None = None,
) -> Encoder:  # fmt: skip
    """Load an open_clip model by name + tag, by `hf-hub:` or by `local-dir:<folder>`.

    A relative folder is taken from the repository root. `precision` is one of open_clip's
    (fp32, bf16, fp16, amp, amp_bf16, pure_*). `resize` replaces the model's own way to bring a
    picture to its input size: shortest (shorter side, then the middle is cut out), longest (and
    a border) or squash (both sides, whatever the shape). Raises EncoderError where the model
    would not be the one that was trained.
    """
    if resize is not None and resize not in RESIZES:
        raise EncoderError(f"resize: must be one of {', '.join(RESIZES)}, not {resize!r}")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise EncoderError(f"device {device!r} was asked for, but torch finds no CUDA device here")
    if name.startswith(LOCAL):
        if pretrained is not None:
            raise EncoderError(f"{name}: holds its own weights, yet pretrained={pretrained!r}")
        return _load_local(name, device, precision, resize)
    definition = name if name.startswith("hf-hub:") else _definition(name, pretrained)
    with _traps(name):
        model, _, preprocess = open_clip.create_model_and_transforms(
            definition, pretrained, device=device, precision=precision, image_resize_mode=resize
        )
        tokenizer = open_clip.get_tokenizer(definition)
    info = {"name": name, "pretrained": pretrained, "definition": definition}
    info |= built(model, tokenizer) | {"weights_sha256": state_digest(model)}
    return _encoder(model, preprocess, tokenizer, info, device, precision)


@contextmanager
def one_thread_each(device: str = "cpu") -> Iterator[None]:
    """Give each worker of a pool one core on the CPU: its pass must not fight for the others."""
    before = torch.get_num_threads()
    if device == "cpu":
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def encode_images(encoder: Encoder, images: Sequence[Image.Image], batch: int = 64) -> np.ndarray:
    """Return the embeddings of PIL images: (n, d) float32, not normalised."""
    parts = [
        encode_pixels(encoder, torch.stack([encoder.preprocess(image) for image in images[i:j]]))
        for i, j in _slices(len(images), batch)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, encoder.dim), np.float32)


def encode_pixels(encoder: Encoder, pixels: torch.Tensor) -> np.ndarray:
    """Return the embeddings of one preprocessed batch (n, 3, h, w): (n, d) float32."""
    dtype = get_input_dtype(encoder.precision)
    pixels = pixels.to(
        device=encoder.device, dtype=dtype, non_blocking=True, memory_format=torch.channels_last
    )
    with torch.inference_mode(), _autocast(encoder):
        return encoder.model.encode_image(pixels).float().cpu().numpy()


def encode_texts(encoder: Encoder, texts: Sequence[str], batch: int = 256) -> np.ndarray:
    """Return the embeddings of strings: (n, d) float32, not normalised.

    Texts run in order of length, so a batch is as long as its longest text where the tower allows
    it (Hugging Face towers mask padding; open_clip's own need the full context).
    """
    if not len(texts):
        return np.zeros((0, encoder.dim), np.float32)
    ids = encoder.tokenizer(list(texts))
    trim = hasattr(getattr(encoder.model, "text", None), "config")
    pad = encoder.model.text.config.pad_token_id if trim else None
    lengths = (ids != pad).sum(1) if trim else torch.full((len(ids),), ids.shape[1])
    order = torch.argsort(lengths, stable=True)
    out = np.empty((len(ids), encoder.dim), np.float32)
    for i, j in _slices(len(ids), batch):
        rows = order[i:j]
        tokens = ids[rows, : max(1, int(lengths[rows].max()))].to(encoder.device)
        with torch.inference_mode(), _autocast(encoder):
            out[rows.numpy()] = encoder.model.encode_text(tokens).float().cpu().numpy()
    return out


def _load_local(name: str, device: str, precision: str, resize: str | None) -> Encoder:
    """Load a `local-dir:` folder after checking that it is whole, and against its record."""
    folder = paths.resolve(name.removeprefix(LOCAL))
    name = f"{LOCAL}{paths.relative(folder)}"
    model_cfg = _local_config(folder)
    weights = _local_weights(folder)
    record = json.loads((folder / RECORD).read_text()) if (folder / RECORD).is_file() else {}
    digest = file_digest(weights)
    if record and digest != record["weights_sha256"]:
        raise EncoderError(
            f"{paths.relative(weights)}: corrupted: sha256 {digest[:12]}… is not the recorded "
            f"{record['weights_sha256'][:12]}…; make or fetch the folder again"
        )
    text_cfg = dict(model_cfg["text_cfg"])
    local_text = text_cfg.get("hf_model_name")
    if local_text and (folder / local_text).is_dir():
        # open_clip would look this path up from the working directory, then on the hub.
        text_cfg |= {"hf_model_name": str(folder / local_text), "hf_model_pretrained": False}
    with _traps(name), _hub_offline():
        model, _, preprocess = open_clip.create_model_and_transforms(
            f"{LOCAL}{folder}", text_cfg=text_cfg, device=device, precision=precision,
            image_resize_mode=resize,
        )  # fmt: skip
        tokenizer = open_clip.get_tokenizer(f"{LOCAL}{folder}")
    made = built(model, tokenizer)
    if record and resize is not None:  # asked for, so no mistake
        record["preprocess"] = record.get("preprocess", {}) | {"resize_mode": resize}
    for key in made if record else ():
        if made[key] != record.get(key):
            raise EncoderError(
                f"{paths.relative(folder)}: {key} differs from the record of training: "
                f"built {made[key]}, recorded {record.get(key)}"
            )
    info = {"name": name, "pretrained": None, "definition": name} | made
    return _encoder(
        model, preprocess, tokenizer, info | {"weights_sha256": digest}, device, precision
    )


def _local_config(folder: Path) -> dict[str, Any]:
    """Return model_cfg of a folder's config, which must also state the preprocessing."""
    file = folder / CONFIG
    if not file.is_file():
        raise EncoderError(f"{paths.relative(file)}: no such file")
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        raise EncoderError(f"{paths.relative(file)}: not valid JSON: {error}") from None
    for key in ("model_cfg", "preprocess_cfg"):
        if not config.get(key):
            raise EncoderError(f"{paths.relative(file)}: {key} is missing; it cannot be guessed")
    return config["model_cfg"]


def _local_weights(folder: Path) -> Path:
    """Return a folder's weight file after a look at its header."""
    found = _find_checkpoint_in_dir(folder)
    if found is None:
        raise EncoderError(f"{paths.relative(folder)}: no weights; a random model is of no use")
    if found.endswith(".safetensors"):
        try:
            with safe_open(found, "pt") as file:
                file.keys()
        except SafetensorError as error:
            raise EncoderError(
                f"{paths.relative(found)}: corrupted: not readable as safetensors ({error})"
            ) from None
    return Path(found)


def _definition(name: str, pretrained: str | None) -> str:
    """Return the model definition for name + tag: OpenAI's tags get their quickgelu one."""
    if name not in open_clip.list_models():
        raise EncoderError(f"{name}: open_clip has no model of this name")
    tags = list_pretrained_tags_by_model(name)
    if pretrained is None:
        raise EncoderError(f"{name}: no weights; set pretrained to one of {', '.join(tags)}")
    if Path(pretrained).suffix and paths.resolve(pretrained).is_file():
        raise EncoderError(
            f"{pretrained}: a bare weight file records neither activation nor preprocessing; "
            f"give a folder with {CONFIG} as {LOCAL}<folder>"
        )
    tag = get_pretrained_cfg(name, pretrained)
    if not tag:
        raise EncoderError(f"{name}: no weights {pretrained!r}; known: {', '.join(tags) or 'none'}")
    wanted = bool(tag.get("quick_gelu", False))
    for candidate in (name, f"{name}-quickgelu", name.removesuffix("-quickgelu")):
        config = open_clip.get_model_config(candidate)
        if config and bool(config.get("quick_gelu", False)) == wanted:
            return candidate
    raise EncoderError(f"{name}: {pretrained} was trained with quick_gelu={wanted}; no such model")


@contextmanager
def _traps(name: str) -> Iterator[None]:
    """Turn what open_clip only warns about while loading into one EncoderError."""
    caught: list[str] = []

    def collect(record: logging.LogRecord) -> bool:
        trap = record.levelno >= logging.WARNING and "open_clip" in record.pathname
        if trap:
            caught.append(record.getMessage())
        return not trap

    root = logging.getLogger()
    root.addFilter(collect)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="QuickGELU mismatch")
            yield
    except (RuntimeError, ValueError, OSError, UserWarning) as error:
        raise EncoderError(f"{name}: {' '.join(str(error).split())[:300]}") from error
    finally:
        root.removeFilter(collect)
    if caught:
        raise EncoderError(f"{name}: {' '.join(caught[0].split())}")


@contextmanager
def _hub_offline() -> Iterator[None]:
    """Keep huggingface_hub off the network while a local folder is loaded."""
    before = huggingface_hub.constants.HF_HUB_OFFLINE
    huggingface_hub.constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        huggingface_hub.constants.HF_HUB_OFFLINE = before


def _encoder(
    model: Any, preprocess: Any, tokenizer: Any, info: dict[str, Any], device: str, precision: str
) -> Encoder:
    """Assemble an Encoder in evaluation mode; its width is measured, not read from a config."""
    info["logit_scale"] = round(float(model.logit_scale.detach().float().exp()), 4)
    encoder = Encoder(model.eval(), preprocess, tokenizer, 1, info, device, precision)
    with torch.inference_mode(), _autocast(encoder):
        dim = model.encode_text(tokenizer(["width"]).to(device)).shape[1]
    return Encoder(model, preprocess, tokenizer, dim, info, device, precision)


def _autocast(encoder: Encoder) -> Any:
    """Return the autocast context of an AMP precision, or one that does nothing."""
    if not encoder.precision.startswith("amp"):
        return nullcontext()
    half = torch.bfloat16 if encoder.precision in ("amp_bf16", "amp_bfloat16") else torch.float16
    return torch.autocast(torch.device(encoder.device).type, dtype=half)


def _slices(n: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) pairs that cover range(n) in steps of `size`."""
    return ((start, min(start + size, n)) for start in range(0, n, size))
