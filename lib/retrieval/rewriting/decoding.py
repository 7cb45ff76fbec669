"""How a model's next word is chosen: the settings of the published models, and the choosing.

Sampling draws from a stream of its own for every text, so a rewrite does not depend on which other
texts share its batch. Diverse beam search has left transformers 5 for remote code; the one
published setting that needs it has one beam a group, which is greedy decoding of coupled rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:  # torch takes seconds to import; the settings do without
    from torch import LongTensor, Tensor


@dataclass(frozen=True)
class Decoding:
    """One way of decoding; lengths in tokens."""

    mode: Literal["beam", "sample", "diverse"]
    prefix: str = ""  # before every text; the tokenizer itself adds the end mark
    max_length: int = 128
    candidates: int = 1  # rewrites returned per text, best first
    beams: int = 1  # mode beam
    top_k: int = 0  # mode sample: 0 = all
    top_p: float = 1.0  # mode sample
    temperature: float = 1.0  # mode sample
    diversity: float = 0.0  # mode diverse: off the score of a word per group that has chosen it
    repetition: float = 1.0  # mode diverse: penalty of Keskar et al. 2019
    no_repeat: int = 0  # mode diverse: no sequence of so many tokens twice

    def adjusted(self, max_length: int, candidates: int) -> Decoding:
        """The same with another length and number of candidates; 0 leaves them."""
        found = candidates or self.candidates
        return replace(
            self, max_length=max_length or self.max_length, candidates=found,
            beams=max(self.beams, found) if self.mode == "beam" else self.beams,
        )  # fmt: skip

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        if self.mode == "sample" and not (0 < self.top_p <= 1 and self.temperature > 0):
            raise ValueError("preset: sampling needs 0 < top_p <= 1 and a temperature above 0")

    def signature(self) -> dict[str, object]:
        """All settings, for the key of a cached rewrite."""
        return asdict(self)


# Model cards; neither study names its paraphraser or its decoding (spec: an ambiguity).
PRESETS = {
    # Vamsi/T5_Paraphrase_Paws and ramsrigouthamg/t5_paraphraser
    "t5_paws": Decoding(
        "sample", "paraphrase: ", max_length=256, candidates=5, top_k=120, top_p=0.95
    ),
    # humarin/chatgpt_paraphraser_on_T5_base: 5 beams in 5 groups; its temperature of 0.7 has no
    # effect there, since nothing is sampled
    "t5_chatgpt": Decoding(
        "diverse",
        "paraphrase: ",
        max_length=128,
        candidates=5,
        diversity=3.0,
        repetition=10.0,
        no_repeat=2,
    ),  # fmt: skip
    # Helsinki-NLP/opus-mt-de-en
    "opus_mt": Decoding("beam", max_length=512, beams=4),
}


def draws(texts: Sequence[str], candidates: int, steps: int, seed: int) -> np.ndarray:
    """Uniform numbers for sampling, (texts * candidates, steps): a stream for each text."""
    digests = [hashlib.sha256(text.encode()).digest()[:16] for text in texts]
    streams = [np.random.default_rng([seed, int.from_bytes(digest)]) for digest in digests]
    return np.concatenate([stream.random((candidates, steps)) for stream in streams])


class Sampler:
    """Logits processor: leaves one token a row, drawn within top-k and top-p.

    uniforms: (rows, steps) in [0, 1). The nucleus is the smallest set of most probable tokens
    whose mass reaches top_p (Holtzman et al. 2020), as in transformers.
    """

    def __init__(self, decoding: Decoding, uniforms: np.ndarray) -> None:
        """Hold the settings and the random numbers of a batch."""
        self.decoding, self.uniforms = decoding, uniforms

    def __call__(self, ids: LongTensor, scores: Tensor) -> Tensor:
        """ids: (rows, length) so far, scores: (rows, vocabulary) -> scores."""
        scaled = scores.float() / self.decoding.temperature
        k = min(self.decoding.top_k or scores.shape[1], scores.shape[1])
        values, tokens = scaled.topk(k, dim=1)
        mass = values.softmax(1)
        before = mass.cumsum(1) - mass
        mass = mass * (before < self.decoding.top_p)
        reached = mass.cumsum(1)
        uniform = scores.new_tensor(self.uniforms[:, ids.shape[1] - 1])[:, None]
        last = (mass > 0).sum(1, keepdim=True) - 1  # rounding must not lead out of the nucleus
        place = (reached <= uniform * reached[:, -1:]).sum(1, keepdim=True).minimum(last)
        return _only(scores, tokens.gather(1, place))


class DiverseGreedy:
    """Logits processor: rows of one text choose in turn, each shy of what the others just chose.

    Diverse beam search (Vijayakumar et al. 2018) with one beam a group, as transformers 4 ran it:
    log-probabilities, minus the Hamming penalty, then the repetition penalty and the n-gram ban.
    One difference: a group ends with its first end mark, where a beam would go on for a better one.
    """

    def __init__(self, decoding: Decoding, end: int) -> None:
        """Hold the settings; end: id of the end mark."""
        from transformers import NoRepeatNGramLogitsProcessor, RepetitionPenaltyLogitsProcessor

        self.decoding, self.end = decoding, end
        self.rules = [RepetitionPenaltyLogitsProcessor(decoding.repetition)]
        if decoding.no_repeat:
            self.rules.append(NoRepeatNGramLogitsProcessor(decoding.no_repeat))

    def __call__(self, ids: LongTensor, scores: Tensor) -> Tensor:
        """ids: (texts * groups, length), scores: (texts * groups, vocabulary) -> scores."""
        groups = self.decoding.candidates
        scores = scores.float().log_softmax(1)
        finished = (ids[:, 1:] == self.end).any(1)
        chosen_by = scores.new_zeros(len(scores) // groups, scores.shape[1])
        out = scores.clone()
        for group in range(groups):
            rows = slice(group, None, groups)
            part = scores[rows] - self.decoding.diversity * chosen_by
            for rule in self.rules:
                part = rule(ids[rows], part)
            token = part.argmax(1, keepdim=True)
            chosen_by.scatter_add_(1, token, (~finished[rows])[:, None].to(chosen_by))
            out[rows] = _only(part, token)
        return out


def _only(scores: Tensor, token: Tensor) -> Tensor:
    """Scores that leave only one token a row possible."""
    return scores.new_full(scores.shape, -float("inf")).scatter_(1, token, 0.0)
