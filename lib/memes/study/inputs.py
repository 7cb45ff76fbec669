"""What the memes study works on: settings, memes with their splits, features at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from lib.memes.study.runs import Plan, Source
from lib.memes.systems import Inputs, Settings

READ = "read"  # split of the copies of test memes whose text was read from the picture
ABLATION = ("raw_n_cook", "raw_only", "raw_n_cook_bce", "raw_only_bce")


@dataclass(frozen=True)
class SslMemes:
    """Settings of the section `ssl_memes`."""

    systems: Settings = field(default_factory=Settings)  # what each system is trained with
    encoder: str = "sample_clip_l"  # folder under the embeddings (paper: CLIP ViT-L/14)
    ratios: tuple[float, ...] = (0.3, 0.1, 0.05)  # shares of labelled training rows (paper)
    main_seeds: tuple[int, ...] = (42, 43, 44, 45, 46, 47, 48, 49, 50, 51)
    other_seeds: tuple[int, ...] = (42, 43, 44)
    draw: int = 42  # seed of the draw of labelled rows (released: random_state 42)
    more_draws: tuple[int, ...] = (43, 44)  # other draws, for what one draw cannot tell
    draw_ratios: tuple[float, ...] = (0.1,)  # ratios of the other draws
    drawn_systems: tuple[str, ...] = ABLATION  # systems of the other draws
    sweep_ratios: tuple[float, ...] = (0.3, 0.1, 0.05)  # of the two sweeps below
    step_gammas: tuple[float, ...] = (0.85, 0.9, 0.93, 1.0)  # Table 2, and no decay
    focal_gammas: tuple[float, ...] = (0.0, 1.0, 3.0)  # beside the 2 of the DB loss
    left_out: tuple[str, ...] = ()  # systems that are not run
    separation_ratio: float = 0.3  # whose auto-encoders and labelled rows the maps use
    perplexity: float = 30.0  # of t-SNE
    workers: int = 2  # processes of one thread each; they do not change a byte

    def validate(self) -> None:
        """Raise ValueError("key: why") for a value out of range."""
        for key in ("ratios", "sweep_ratios", "draw_ratios"):
            if not all(0 < ratio < 1 for ratio in getattr(self, key)):
                raise ValueError(f"{key}: must be shares in (0, 1), got {list(getattr(self, key))}")
        if not self.ratios or not self.main_seeds or not self.other_seeds:
            raise ValueError("ratios, main_seeds, other_seeds: need one at least")
            if set(getattr(self, key)) - set(self.ratios):
                raise ValueError(f"{key}: must be among ratios")
        if not set(self.other_seeds) <= set(self.main_seeds):
            raise ValueError("other_seeds: must be among main_seeds, so that seeds can be paired")
        if self.separation_ratio not in self.ratios:
            raise ValueError(f"separation_ratio: {self.separation_ratio:g} is not among ratios")
        if self.draw in self.more_draws:
            raise ValueError(f"more_draws: {self.draw} is the main draw already")
        if self.workers < 1 or self.perplexity <= 0:
            raise ValueError("workers, perplexity: must be at least 1, and positive")

    def plan(self) -> Plan:
        """What is run."""
        return Plan(
            self.ratios, self.main_seeds, self.other_seeds, self.draw, self.more_draws,
            self.draw_ratios, self.drawn_systems, self.sweep_ratios, self.step_gammas,
            self.focal_gammas, self.left_out,
        )  # fmt: skip


@dataclass(frozen=True)
class StudyInputs:
    """Memes with their features; the last rows of `source.inputs` are copies with a read text."""

    pairs: pd.DataFrame  # (n,) rows, with the splits that the study uses
    root: Path  # folder that the pictures are relative to
    settings: SslMemes
    source: Source
    ids: np.ndarray  # (n + copies,) id of each row of `source.inputs`
    texts: pd.DataFrame  # errors of the texts read from pictures (lib.memes.ocr.error_rates)
    remarks: Mapping[str, str]  # system -> what a table says beside it; see lib.memes.rivals

    @property
    def inputs(self) -> Inputs:
        """Rows with the features of picture and text."""
        return self.source.inputs

    def kept(self, splits: Sequence[str], rows: int | None = None) -> np.ndarray:
        """Positions in `inputs` of the rows of some splits, in order; rows: only the first."""
        return np.flatnonzero(np.isin(self.inputs.split[:rows], splits))


def with_copies(inputs: Inputs, rows: np.ndarray, text: np.ndarray) -> Inputs:
    """Append copies of `rows` whose text features (k, d) are others, as the split READ."""
    split = np.concatenate([inputs.split.astype(object), np.full(len(rows), READ, object)])
    image, targets, group = (
        np.concatenate([array, array[rows]])
        for array in (inputs.image, inputs.targets, inputs.group)
    )
    return Inputs(image, np.concatenate([inputs.text, text.astype(np.float32)]), targets, split,
                  group)  # fmt: skip
