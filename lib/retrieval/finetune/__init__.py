"""Contrastive fine-tuning of an image-text encoder on news pairs, from cached activations.

    python -m lib.retrieval.finetune --config params.yaml --pairs <parquet> --root <folder> \
        --encoder local-dir:<folder> --run 2022-rt 2022-rss --out artefacts/sample/tuned

A run is a recipe applied to one source of a pairs table, once a seed. Recipe of the 2022 paper:
both towers, on a source's own train split. Of the 2023 paper: the text tower alone, the image
tower locked, titles doubled by a paraphrase, on external news pairs.
"""

from dataclasses import dataclass, field

from lib.training import TrainSettings

WHOLE = -1  # a boundary: the whole tower is frozen


@dataclass(frozen=True)
class Recipe:
    """How a run trains; boundaries count frozen stages from the input (lib.boundary)."""

    image_boundary: int = 0  # 0 trains all from pixels, -1 locks the tower
    text_boundary: int = 0
    batch: int = 64  # pairs of one step; train.micro_batch accumulates
    paraphrase: bool = False  # each title a second time, rewritten
    train: TrainSettings = field(default_factory=TrainSettings)

    def validate(self) -> None:
        """Raise ValueError("key: why") for a value out of range."""
        for key in ("image_boundary", "text_boundary"):
            if getattr(self, key) < WHOLE:
                raise ValueError(f"{key}: must be -1 or more, got {getattr(self, key)}")
        if self.image_boundary == self.text_boundary == WHOLE:
            raise ValueError("text_boundary: both towers are locked, nothing would learn")
        if self.batch < 2:
            raise ValueError(f"batch: must be at least 2, got {self.batch}")


@dataclass(frozen=True)
class Run:
    """One run: its recipe, and the source whose train split it learns ("" = all sources)."""

    recipe: str
    source: str = ""


@dataclass(frozen=True)
class FinetuneRetrieval:
    """Settings of the section `finetune_retrieval`."""

    device: str = "cpu"
    seeds: tuple[int, ...] = (0, 1, 2)  # of the order of the batches
    keep_epochs: int = 1  # epochs kept for soups besides the best, the next best ones
    grad_checkpointing: bool = False  # of towers with boundary 0: less memory, more time
    block: int = 256  # rows of cached activations written at once
    workers: int = 2  # threads that decode and run the frozen part
    recipes: dict[str, Recipe] = field(default_factory=dict)
    runs: dict[str, Run] = field(default_factory=dict)

    def validate(self) -> None:
        """Raise ValueError("key: why") for a value out of range."""
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds: need different ones, got {list(self.seeds)}")
        for key in ("block", "workers"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key}: must be at least 1, got {getattr(self, key)}")
        if self.keep_epochs < 0:
            raise ValueError(f"keep_epochs: must not be negative, got {self.keep_epochs}")
        for name, run in self.runs.items():
            if run.recipe not in self.recipes:
                known = ", ".join(self.recipes) or "none"
                raise ValueError(f"runs.{name}.recipe: {run.recipe!r} is none of {known}")

    def recipe_of(self, run: str) -> Recipe:
        """Return the recipe of a run; ValueError for an unknown one."""
        if run not in self.runs:
            raise ValueError(f"runs: {run!r} is none of {', '.join(self.runs) or 'none'}")
        return self.recipes[self.runs[run].recipe]
