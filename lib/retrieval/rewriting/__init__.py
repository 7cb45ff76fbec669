"""Other words for a title: paraphrases and translations behind one interface.

The 2023 study searches with a title and one T5 paraphrase of it, the 2022 study with German titles
put into English by OPUS-MT; neither prints the decoding. A rewriter returns None where it has
nothing usable: the same words again, or a rewrite that lost a number or a name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from lib.retrieval.rewriting.decoding import PRESETS, Decoding
from lib.retrieval.rewriting.guard import Guard

KINDS = ("rules", "t5", "marian", "columns")
PRECISIONS = ("fp32", "bf16", "fp16")


class RewritingError(RuntimeError):
    """A rewriter cannot be made or used; the message is one line and names the parameter."""


class Rewriter(Protocol):
    """Anything that rewrites texts; same texts and settings, same rewrites."""

    def rewrite(self, texts: Sequence[str]) -> list[str | None]:
        """One rewrite a text, in order; None where there is no usable one."""
        ...


@dataclass(frozen=True)
class Settings:
    """How to rewrite; the keys of kinds other than `kind` are not looked at."""

    kind: Literal["rules", "t5", "marian", "columns"] = "rules"
    seed: int = 0  # of rules and of sampling
    lang: str = "en"  # of the texts, ISO 639-1; en: a paraphrase, others: a translation to English
    guard_names: bool = True  # a rewrite without a name of its source is None
    guard_numbers: bool = True  # the same for numbers
    # t5 and marian
    model: str = ""  # hub name or folder, e.g. humarin/chatgpt_paraphraser_on_T5_base
    revision: str = "main"  # commit or tag of the hub; a commit makes the run repeatable
    preset: str = ""  # decoding: one of PRESETS
    max_length: int = 0  # tokens of a rewrite; 0: the preset's
    candidates: int = 0  # rewrites tried per text, the first usable one counts; 0: the preset's
    batch: int = 64  # texts a step, of similar length
    device: str = "cpu"  # torch's name
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"  # autocast on cuda; T5 overflows in fp16
    cache: str = ""  # sqlite file of rewrites made; "": none
    # columns
    table: str = ""  # parquet, csv or tsv with both columns
    source_column: str = "original"  # the text as published
    target_column: str = "text"  # the corpus's own machine translation

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        if self.kind in ("t5", "marian"):
            self._validate_model()
        if self.kind == "rules" and self.lang != "en":
            raise ValueError(f"lang: the rules know English only, got {self.lang!r}")
        if self.kind == "columns" and not self.table:
            raise ValueError("table: kind columns needs the file that holds the translations")

    def _validate_model(self) -> None:
        if not self.model:
            raise ValueError(f"model: kind {self.kind} needs a hub name or a folder")
        if self.preset not in PRESETS:
            raise ValueError(f"preset: {self.preset!r} is none of {', '.join(PRESETS)}")
        for key, least in (("max_length", 0), ("candidates", 0), ("batch", 1)):
            if getattr(self, key) < least:
                raise ValueError(f"{key}: must be {least} or more, got {getattr(self, key)}")
        if 0 < self.max_length < 4:
            raise ValueError(f"max_length: {self.max_length} tokens hold no title")
        if self.precision != "fp32" and not self.device.startswith("cuda"):
            raise ValueError(f"precision: {self.precision} needs a cuda device, got {self.device}")
        decoding = self.decoding
        try:
            decoding.validate()
        except ValueError as error:
            raise ValueError(str(error)) from None

    @property
    def decoding(self) -> Decoding:
        """The preset with this section's own length and number of candidates."""
        return PRESETS[self.preset].adjusted(self.max_length, self.candidates)


def make(settings: Settings) -> Rewriter:
    """Return the rewriter that `settings` describe; ValueError or RewritingError, one line."""
    settings.validate()
    guard = Guard(settings.lang, settings.guard_names, settings.guard_numbers)
    if settings.kind == "rules":
        from lib.retrieval.rewriting.rules import RuleParaphraser

        return RuleParaphraser(settings.seed, guard)
    if settings.kind == "columns":
        from lib.retrieval.rewriting.columns import ColumnTranslator

        return ColumnTranslator.read(
            Path(settings.table), settings.source_column, settings.target_column, guard
        )
    from lib.retrieval.rewriting.seq2seq import Seq2SeqRewriter

    return Seq2SeqRewriter(settings, guard)
