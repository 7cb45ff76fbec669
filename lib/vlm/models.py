"""Models and adapters: by hub name or folder, or tiny ones of two classes with random weights.

A tiny model has the class, processor and kind of chat of its large one: Mllama (Llama-3.2-Vision,
pictures through cross-attention) and Idefics3 (SmolVLM, pictures as tokens). Nothing is downloaded
for it.
"""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from tokenizers import Tokenizer, decoders
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from transformers import (
    AutoModelForImageTextToText,
    AutoProcessor,
    BitsAndBytesConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    Idefics3ImageProcessor,
    Idefics3Processor,
    MllamaConfig,
    MllamaForConditionalGeneration,
    MllamaImageProcessor,
    MllamaProcessor,
    PreTrainedTokenizerFast,
)

from lib import paths
from lib.sample.clip.towers import text_folder
from lib.vlm import UNTRAINED, Lora, Model, VlmError, VlmQlora
from lib.vlm.chat import ANSWERS

TINY = "tiny:"
WIDTH = 32  # of a tiny model
TEXT = {
    "hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 2,
    "num_key_value_heads": 1, "intermediate_size": 2 * WIDTH, "max_position_embeddings": 2048,
    "pad_token_id": 0, "initializer_range": 0.5,
}  # fmt: skip
PIECES = 8000  # first word pieces of MiniLM's: characters and frequent words
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|{{ m['role'] }}|>{% for c in m['content'] %}"
    "{% if c['type'] == 'image' %}IMAGE{% else %}{{ c['text'] }}{% endif %}{% endfor %}"
    "{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
LANGUAGE = r".*(language_model|text_model)\."  # where the projections of the language model lie
PRECISION = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Vlm:
    """A model with its processor; `quantised` ones cannot take adapters in."""

    model: Any
    processor: Any
    source: str
    device: str
    quantised: bool

    @property
    def remark(self) -> str:
        """What a table says beside it."""
        return UNTRAINED if self.source.startswith(TINY) else ""


def check(settings: VlmQlora) -> None:
    """Raise VlmError, at once, where a GPU or a package will be missed."""
    for model in settings.models:
        _check(model, settings.device)


def load(model: Model, settings: VlmQlora, seed: int = 0) -> Vlm:
    """Return a model in evaluation mode; VlmError, one line, where it cannot be had.

    `seed` draws the weights of a tiny one.
    """
    _check(model, settings.device)
    if model.source.startswith(TINY):
        network, processor = tiny(model.source.removeprefix(TINY), seed)
    else:
        network, processor = _pretrained(model, settings)
    quantised = model.quantise == "nf4"
    network = network if quantised else network.to(settings.device)
    return Vlm(network.eval(), processor, model.source, settings.device, quantised)


def adapted(vlm: Vlm, lora: Lora, seed: int, checkpointing: bool = False) -> Vlm:
    """Return the model with fresh adapters, which alone learn; at first they change nothing."""
    base = vlm.model
    if vlm.quantised:
        base = prepare_model_for_kbit_training(base, use_gradient_checkpointing=checkpointing)
    elif checkpointing:
        base.gradient_checkpointing_enable({"use_reentrant": False})
        base.enable_input_require_grads()
    with torch.random.fork_rng(_devices(vlm.device)):
        torch.manual_seed(seed)
        try:
            with _old_name():
                model = get_peft_model(base, lora_config(lora))
        except ValueError as error:
            reason = " ".join(str(error).split())[:160]
            raise VlmError(
                f"lora.targets: {vlm.source} has no such projection ({reason})"
            ) from None
    return Vlm(model.eval(), vlm.processor, vlm.source, vlm.device, vlm.quantised)


@contextmanager
def _old_name() -> Iterator[None]:
    """Let peft ask transformers for gradient checkpointing by its old name, without a warning."""
    with warnings.catch_warnings():
        said = "`is_gradient_checkpointing` is deprecated"
        warnings.filterwarnings("ignore", said, FutureWarning)
        yield


def lora_config(lora: Lora) -> LoraConfig:
    """Return peft's configuration; without `vision` only the language model's projections count."""
    names = "|".join(lora.targets)
    return LoraConfig(
        task_type="CAUSAL_LM", r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout,
        bias="none", target_modules=rf"{'.*' if lora.vision else LANGUAGE}.*({names})",
    )  # fmt: skip


def save_adapter(vlm: Vlm, folder: Path) -> None:
    """Write the adapters as peft does, without the base; the folder appears whole or not at all."""
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    vlm.model.save_pretrained(part)
    (part / "README.md").unlink(missing_ok=True)  # peft's model card names this machine's versions
    file = part / "adapter_config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = vlm.source
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)


def load_adapter(vlm: Vlm, folder: Path) -> Vlm:
    """Return the base model with saved adapters; VlmError where they are another base's."""
    file = folder / "adapter_config.json"
    if not file.is_file():
        raise VlmError(f"{paths.relative(file)}: no such file")
    base = json.loads(file.read_text(encoding="utf-8"))["base_model_name_or_path"]
    if base != vlm.source:
        raise VlmError(f"{paths.relative(folder)}: adapters of {base}, not of {vlm.source}")
    with _old_name():
        model = PeftModel.from_pretrained(vlm.model, str(folder))
    return Vlm(model.eval(), vlm.processor, vlm.source, vlm.device, vlm.quantised)


def merged(vlm: Vlm) -> Vlm:
    """Return the model with its adapters added to the weights; VlmError for a 4-bit base.

    Adding to 4-bit weights rounds the update away; load the base unquantised and merge there.
    """
    if vlm.quantised:
        raise VlmError(
            f"{vlm.source}: adapters cannot be merged into 4-bit weights without a loss; "
            "load it with quantise: none, load the adapters, and merge"
        )
    model = vlm.model.merge_and_unload()
    return Vlm(model.eval(), vlm.processor, vlm.source, vlm.device, False)


def places(vlm: Vlm) -> dict[str, int]:
    """Return where adapters lie: matrices, those of them in the vision tower, weights."""
    names = [name for name, value in vlm.model.named_parameters() if value.requires_grad]
    in_vision = sum("vision" in name for name in names)
    return {"matrices": len(names), "in the vision tower": in_vision, "weights": trainable(vlm)}


def trainable(vlm: Vlm) -> int:
    """Return the number of parameters that learn."""
    return sum(p.numel() for p in vlm.model.parameters() if p.requires_grad)


def tiny(kind: str, seed: int) -> tuple[Any, Any]:
    """Return a tiny model (half a million weights, most of them words) and its processor."""
    makers = {"mllama": _tiny_mllama, "idefics3": _tiny_idefics3}
    if kind not in makers:
        raise VlmError(f"source: {TINY}{kind} is none of {', '.join(TINY + k for k in makers)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return makers[kind]()


def _tiny_mllama() -> tuple[Any, Any]:
    tokenizer = _tokenizer("<|begin_of_text|>", "<|eot_id|>", "<|image|>", "<|python_tag|>")
    images = MllamaImageProcessor(size={"height": 28, "width": 28}, max_image_tiles=1)
    template = TEMPLATE.replace("IMAGE", "<|image|>")
    processor = MllamaProcessor(images, tokenizer, chat_template=template)
    vision = {
        "hidden_size": WIDTH, "num_hidden_layers": 1, "num_global_layers": 1,
        "attention_heads": 2, "intermediate_size": 2 * WIDTH, "vision_output_dim": 2 * WIDTH,
        "image_size": 28, "patch_size": 14, "max_num_tiles": 1, "intermediate_layers_indices": [0],
        "supported_aspect_ratios": [[1, 1]],
    }  # fmt: skip
    text = TEXT | {
        "vocab_size": len(tokenizer), "cross_attention_layers": [1],
        "bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id,
    }  # fmt: skip
    place = tokenizer.convert_tokens_to_ids("<|image|>")
    config = MllamaConfig(vision_config=vision, text_config=text, image_token_index=place)
    return MllamaForConditionalGeneration(config), processor


def _tiny_idefics3() -> tuple[Any, Any]:
    end = "<end_of_utterance>"
    tokenizer = _tokenizer(
        "<|im_start|>", end, "<image>", "<global-img>", "<fake_token_around_image>"
    )
    side = {"longest_edge": 32}
    images = Idefics3ImageProcessor(size=side, max_image_size=side, do_image_splitting=False)
    template = TEMPLATE.replace("IMAGE", "<image>")
    processor = Idefics3Processor(images, tokenizer, image_seq_len=4, chat_template=template)
    vision = {
        "hidden_size": WIDTH, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 2 * WIDTH, "image_size": 32, "patch_size": 8,
    }  # fmt: skip
    config = Idefics3Config(
        vision_config=vision, scale_factor=2,
        text_config=TEXT | {"model_type": "llama", "vocab_size": len(processor.tokenizer)},
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
    )  # fmt: skip
    return Idefics3ForConditionalGeneration(config), processor


def _tokenizer(begin: str, end: str, *more: str) -> Any:
    """Return a tokenizer of MiniLM's frequent word pieces, both answers and a chat's marks."""
    lines = (text_folder() / "vocab.txt").read_text(encoding="utf-8").splitlines()
    frequent = [piece for piece in lines[:PIECES] if not piece.startswith("[unused")]
    pieces = dict.fromkeys([*frequent, *(answer.lower() for answer in ANSWERS)])
    words = {piece: i for i, piece in enumerate(pieces)}
    core = Tokenizer(WordPiece(words, unk_token="[UNK]"))
    core.normalizer, core.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    core.decoder = decoders.WordPiece()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token=begin, eos_token=end, pad_token="[PAD]", unk_token="[UNK]"
    )
    extra = ["<|user|>", "<|assistant|>", *more]
    tokenizer.add_special_tokens({"additional_special_tokens": extra})
    return tokenizer


def _pretrained(model: Model, settings: VlmQlora) -> tuple[Any, Any]:
    folder = paths.resolve(model.source)
    source = str(folder) if folder.is_dir() else model.source
    options: dict[str, Any] = {"dtype": PRECISION[settings.precision]}
    if model.quantise == "nf4":
        options |= {"quantization_config": nf4(), "device_map": {"": settings.device}}
    try:
        processor = AutoProcessor.from_pretrained(source)
        return AutoModelForImageTextToText.from_pretrained(source, **options), processor
    except (OSError, ValueError, ImportError) as error:
        reason = " ".join(str(error).split())[:200]
        raise VlmError(f"models: {model.source!r} cannot be loaded ({reason})") from None


def nf4() -> BitsAndBytesConfig:
    """Return the published quantisation: nf4, double, computing in bf16 (Dettmers et al. 2023)."""
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )  # fmt: skip


def _check(model: Model, device: str) -> None:
    """Raise VlmError unless the device is there, and 4-bit weights can be used if asked for."""
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise VlmError(f"device: {device!r} was asked for, but torch finds no CUDA device here")
    if model.quantise != "nf4":
        return
    if model.source.startswith(TINY):
        raise VlmError(f"models: {model.source} is not quantised; set quantise: none")
    if not device.startswith("cuda"):
        raise VlmError(
            f"models: {model.name}: quantise: nf4 needs a CUDA device (device: {device}); "
            "set device: cuda on a machine that has one, or quantise: none"
        )
    if find_spec("bitsandbytes") is None:
        raise VlmError(f"models: {model.name}: quantise: nf4 needs the package bitsandbytes")


def _devices(device: str) -> list[int]:
    return [torch.cuda.current_device()] if device.startswith("cuda") else []
