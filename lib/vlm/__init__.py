"""Vision-language models that are asked whether an article is likely biased, and tuned to say so.

Llama-3.2-Vision or any image-text-to-text model of transformers by name, fine-tuned with low-rank
adapters on a 4-bit base (QLoRA). What the published scripts get wrong is done right: the loss is on
the answer alone, one prompt serves training and evaluation with the picture first, and an answer is
never parsed: the score is the probability of one label against the other, from one forward pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
MODES = ("zero_shot", "few_shot")  # without training; each recipe is one more
Mode = Literal["zero_shot", "few_shot"]
UNTRAINED = "code path only"  # remark of a model that starts from random weights


class VlmError(RuntimeError):
    """A model, a text or an adapter cannot be used as asked; one line says why."""


@dataclass(frozen=True)
class Model:
    """One model of the study."""

    name: str  # in predictions and tables
    source: str  # hub name, folder, tiny:mllama or tiny:idefics3 (random weights)
    quantise: Literal["none", "nf4"] = "none"  # nf4: 4 bits, double quantisation, bf16 compute


@dataclass(frozen=True)
class Lora:
    """Low-rank adapters (Hu et al. 2021); the defaults are the published ones."""

    rank: int = 8
    alpha: int = 16  # the update is scaled by alpha / rank
    dropout: float = 0.05  # before the adapters
    targets: tuple[str, ...] = ("q_proj", "v_proj")  # projections that get one
    vision: bool = False  # also those of the vision tower, as a bare list of names would

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        if min(self.rank, self.alpha) < 1:
            raise ValueError(f"rank: rank and alpha must be at least 1, got {self.rank}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: must be in [0, 1), got {self.dropout}")
        if unknown := [name for name in self.targets if name not in PROJECTIONS]:
            raise ValueError(f"targets: {unknown[0]!r} is none of {', '.join(PROJECTIONS)}")
        if not self.targets:
            raise ValueError("targets: one projection is needed")


@dataclass(frozen=True)
class Tuning:
    """Fine-tuning; the defaults are the published ones, but for a warm-up that has an effect."""

    rows: int = 10_000  # training articles, half of each label; 0: as many as there are
    validation_rows: int = 500  # articles whose loss chooses the round; 0: all
    epochs: int = 3
    batch: int = 1  # articles of one pass
    accumulate: int = 1  # passes before a step
    lr: float = 2e-4  # AdamW, constant after the warm-up
    warmup: float = 0.03  # share of all steps
    weight_decay: float = 0.0
    clip_norm: float = 0.3  # largest norm of the gradient
    round_steps: int = 250  # steps before validation and a checkpoint
    gradient_checkpointing: bool = True

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        for key in ("epochs", "batch", "accumulate", "round_steps"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key}: must be at least 1, got {getattr(self, key)}")
        for key in ("rows", "validation_rows", "weight_decay"):
            if getattr(self, key) < 0:
                raise ValueError(f"{key}: must not be negative, got {getattr(self, key)}")
        if min(self.lr, self.clip_norm) <= 0:
            raise ValueError(f"lr: lr and clip_norm must be positive, got {self.lr}")
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup: must be in [0, 1), got {self.warmup}")


@dataclass(frozen=True)
class Recipe:
    """One way of fine-tuning; the defaults are the published one."""

    name: str = "published"
    lora: Lora = Lora()
    tuning: Tuning = Tuning()

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        for name, part in (("lora", self.lora), ("tuning", self.tuning)):
            try:
                part.validate()
            except ValueError as error:
                raise ValueError(f"{name}.{error}") from None


@dataclass(frozen=True)
class VlmQlora:
    """Settings of section `vlm_qlora`."""

    models: tuple[Model, ...]
    modes: tuple[Mode, ...] = MODES
    seeds: tuple[int, ...] = (42,)  # of adapters, order and shots (published: 42)
    device: str = "cpu"
    precision: Literal["fp32", "bf16"] = "fp32"  # of the base, and of autocast on a GPU
    prompt: Literal["short", "checklist"] = "short"  # checklist: rhetorical techniques to look for
    text: Literal["headline", "body"] = "headline"  # what is shown of an article
    words: int = 400  # of it, from its start
    image_size: int = 224  # pixels, longest side of a picture (published)
    shots: int = 4  # examples of few_shot, half of each label
    batch: int = 8  # articles of one pass without gradients
    scored_rows: int = 0  # first validation and test articles that are scored; 0: all
    recipes: tuple[Recipe, ...] = (Recipe(),)

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        if not self.models or not self.seeds or not (self.modes or self.recipes):
            raise ValueError("models: one model, one mode or recipe, and one seed are needed")
        for key in ("models", "recipes"):
            names = [one.name for one in getattr(self, key)]
            if len(set(names)) < len(names):
                raise ValueError(f"{key}: a name appears twice in {', '.join(names)}")
        for key in ("words", "image_size", "batch"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key}: must be at least 1, got {getattr(self, key)}")
        if self.shots < 2 or self.shots % 2:
            raise ValueError(f"shots: must be even and at least 2, got {self.shots}")
        if self.scored_rows < 0:
            raise ValueError(f"scored_rows: must not be negative, got {self.scored_rows}")
        for recipe in self.recipes:
            if recipe.name in MODES:
                raise ValueError(f"recipes: {recipe.name} is the name of a row without training")
            try:
                recipe.validate()
            except ValueError as error:
                raise ValueError(f"recipes.{recipe.name}.{error}") from None
