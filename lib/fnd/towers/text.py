"""Text towers: vectors of every layer, of chunks and of sentences, and a bottom that is frozen.

The published systems read BERT (FND-CLIP, SpotFake, the page), XLNet (SpotFake+) or DistilRoBERTa
(VILBias). Any Hugging Face encoder fills a role; the sample's is MiniLM, and the smoke size has an
untrained one of two layers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import transformers

from lib.checkpoints import state_digest
from lib.training import _autocast

PACKAGE, TINY = "minilm", "tiny"  # models that need no hub
SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[.!?][\"'”’)\]])\s+")
Pooling = Literal["cls", "mean", "end"]


@dataclass(frozen=True)
class TextTower:
    """How a text tower is made and what is computed with it."""

    model: str  # hub name, minilm (of the pip package) or tiny (untrained)
    name: str = ""  # of its folder
    revision: str = "main"  # commit or tag on the hub
    pooling: Pooling = "cls"  # cls: first token; end: last token, XLNet's; mean of all tokens
    window: int = 512  # tokens of a chunk, special ones included
    chunks: int = 1  # at most, of an article; the rest is cut
    sentences: int = 0  # first sentences of an article, one vector each; 0: none
    sentence_tokens: int = 64  # a longer one is cut; 0: sentences are read inside their article
    boundary: int = -1  # frozen stages below the layers that learn (0: all learn); -1: none learns
    tuned_tokens: int = 64  # first tokens that the learning layers read

    def validate(self) -> None:
        """Raise ValueError("key: why") for a value out of range."""
        for key, least in (("window", 4), ("chunks", 1), ("sentences", 0), ("boundary", -1),
                           ("tuned_tokens", 1), ("sentence_tokens", 0)):  # fmt: skip
            if getattr(self, key) < least:
                raise ValueError(f"{key}: must be at least {least}, got {getattr(self, key)}")


@dataclass(frozen=True)
class LoadedText:
    """A text tower in evaluation mode with its tokenizer."""

    model: torch.nn.Module
    tokenizer: Any
    settings: TextTower
    device: str

    @property
    def width(self) -> int:
        """Return the width of its vectors."""
        return int(self.model.config.hidden_size)

    @property
    def depth(self) -> int:
        """Return the number of layers, without the embeddings."""
        return int(self.model.config.num_hidden_layers)


def load_text(settings: TextTower, device: str = "cpu") -> LoadedText:
    """Load a text tower; one of the hub needs a network or the hub's cache."""
    if settings.model in (PACKAGE, TINY):
        from lib.sample.clip.towers import text_folder

        source = {"pretrained_model_name_or_path": str(text_folder())}
    else:
        source = {"pretrained_model_name_or_path": settings.model, "revision": settings.revision}
    tokenizer = transformers.AutoTokenizer.from_pretrained(**source, use_fast=True)
    model = _tiny(len(tokenizer)) if settings.model == TINY else _pretrained(source)
    return LoadedText(model.eval().to(device), tokenizer, settings, device)


def _pretrained(source: dict[str, str]) -> torch.nn.Module:
    """Load weights; transformers' report on the unused pooler is kept quiet, missing ones raise."""
    before = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        model, report = transformers.AutoModel.from_pretrained(**source, output_loading_info=True)
    finally:
        transformers.logging.set_verbosity(before)
        transformers.logging.enable_progress_bar()
    missing = sorted(name for name in report["missing_keys"] if not name.startswith("pooler."))
    if missing:
        name = source["pretrained_model_name_or_path"]
        raise ValueError(f"model: {name} has no weights for {missing[0]}")
    return model


def _tiny(vocabulary: int) -> torch.nn.Module:
    """Return an untrained BERT of two narrow layers, always the same one."""
    config = transformers.BertConfig(
        vocab_size=vocabulary, hidden_size=16, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=32,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return transformers.BertModel(config, add_pooling_layer=False)


def tower_digest(tower: LoadedText) -> str:
    """Return the sha256 of the weights."""
    return state_digest(tower.model)


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a text by their marks (SpotFake+ used NLTK's sent_tokenize)."""
    return [part for part in SENTENCE_END.split(text.strip()) if part]


@dataclass(frozen=True)
class Windows:
    """Token ids of some articles, cut into windows that stand one behind the other."""

    ids: list[list[int]]
    counts: np.ndarray  # (articles,) windows of each
    segments: list[np.ndarray]  # of each token its sentence within the article; -1: none


def windows(tower: LoadedText, texts: Sequence[str], size: int, most: int) -> Windows:
    """Return the token ids of texts in at most `most` windows each, special tokens included."""
    if not texts:
        return Windows([], np.zeros(0, int), [])
    made = tower.tokenizer(
        list(texts), truncation=True, max_length=size, return_overflowing_tokens=True,
        return_attention_mask=False, return_offsets_mapping=True,
    )  # fmt: skip
    ends = [np.array([match.start() for match in SENTENCE_END.finditer(one)]) for one in texts]
    counts = np.zeros(len(texts), int)
    ids, segments = [], []
    rows = zip(
        made["overflow_to_sample_mapping"], made["input_ids"], made["offset_mapping"], strict=True
    )
    for text, tokens, offsets in rows:
        if counts[text] < most:
            counts[text] += 1
            ids.append(tokens)
            starts, stops = np.array(offsets).T
            inside = np.searchsorted(ends[text], starts, side="right")
            segments.append(np.where(stops > starts, inside, -1))
    return Windows(ids, counts, segments)


def padded(batch: Sequence[list[int]], pad: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return (ids, mask) (n, l) of token lists of unequal length, padded on the right."""
    longest = max(map(len, batch))
    ids = torch.full((len(batch), longest), pad)
    mask = torch.zeros_like(ids)
    for row, one in enumerate(batch):
        ids[row, : len(one)] = torch.tensor(one)
        mask[row, : len(one)] = 1
    return ids, mask


def pooled(hidden: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Return (n, d): one vector of hidden states (n, l, d) whose mask is (n, l)."""
    if pooling == "cls":
        return hidden[:, 0]
    if pooling == "end":
        return hidden[torch.arange(len(hidden)), mask.sum(1).clamp(min=1) - 1]
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * weights).sum(1) / weights.sum(1).clamp(min=1)


class Encoded(NamedTuple):
    """What a text tower says of n token lists."""

    layers: np.ndarray  # (n, L + 1, d) pooled vectors of the embeddings and of every layer
    states: np.ndarray  # (n, t, d) first tokens at the boundary, zeros behind the end; t may be 0
    sums: np.ndarray  # (n, S, d) the last layer's tokens summed by sentence; S may be 0


def encode(
    tower: LoadedText,
    lists: Sequence[list[int]],
    batch: int = 32,
    precision: str = "fp32",
    segments: Sequence[np.ndarray] | None = None,
) -> Encoded:
    """Run token lists in order of length, so that little is padding.

    States are asked for by a boundary above 0, sums by `segments` (the sentence of each token).
    """
    made = tower.settings
    kept = made.tuned_tokens if made.boundary > 0 else 0
    summed = made.sentences if segments is not None else 0
    layers = np.empty((len(lists), tower.depth + 1, tower.width), np.float32)
    states = np.zeros((len(lists), kept, tower.width), np.float32)
    sums = np.zeros((len(lists), summed, tower.width), np.float32)
    order = np.argsort([len(one) for one in lists], kind="stable")
    for start in range(0, len(order), batch):
        rows = order[start : start + batch]
        ids, mask = padded([lists[row] for row in rows], tower.tokenizer.pad_token_id)
        ids, mask = ids.to(tower.device), mask.to(tower.device)
        with torch.inference_mode(), _autocast(ids.device, precision):
            out = tower.model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
            vectors = [pooled(one, mask, made.pooling) for one in out.hidden_states]
        layers[rows] = torch.stack(vectors, 1).float().cpu().numpy()
        if kept:
            hidden = out.hidden_states[made.boundary - 1] * mask.unsqueeze(-1)
            states[rows, : hidden.shape[1]] = hidden[:, :kept].float().cpu().numpy()
        if summed:
            last = out.hidden_states[-1].float().cpu().numpy()
            for place, row in enumerate(rows):
                of_each = np.arange(summed)[:, None] == segments[row]  # (S, tokens)
                sums[row] = of_each.astype(np.float32) @ last[place, : len(segments[row])]
    return Encoded(layers, states, sums)
