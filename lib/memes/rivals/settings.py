"""Settings of the rival systems: the section `ssl_memes.systems.rivals`.

The defaults are what the authors of SemiMemes ran, or TIB-VA's own; a profile that runs on small
stand-ins says so.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

POSITIONS = {"visualbert": 512, "lxmert": 512, "vilt": 40}  # text positions of the checkpoints


def _positive(settings: object, *keys: str) -> None:
    for key in keys:
        if getattr(settings, key) <= 0:
            raise ValueError(f"{key}: must be positive, got {getattr(settings, key)}")


def _share(settings: object, *keys: str) -> None:
    for key in keys:
        if not 0 <= getattr(settings, key) < 1:
            raise ValueError(f"{key}: must be in [0, 1), got {getattr(settings, key)}")


@dataclass(frozen=True)
class TibVaSettings:
    """TIB-VA (Hakimov et al. 2022, its code)."""

    epochs: int = 20
    batch: int = 64  # rows
    lr: float = 1e-4  # Adam, betas .99 and .98
    weight_decay: float = 1e-4  # added to the gradient
    milestones: tuple[int, ...] = (5, 10, 15)  # epochs after which the learning rate falls
    factor: float = 0.5  # to this share
    clip_norm: float = 1.0  # largest norm of the gradient; 0: no clipping
    hidden: int = 256  # units of each modality, and of both together
    dropout: float = 0.2  # share of units
    mask_padding: bool = False  # read the LSTM at the text's end, not after all positions
    keep: Literal["best", "last"] = "best"  # epoch: best macro F1 of misogynous on validation rows

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        _positive(self, "epochs", "batch", "lr", "factor", "hidden")
        _share(self, "dropout")
        for key in ("weight_decay", "clip_norm"):
            if getattr(self, key) < 0:
                raise ValueError(f"{key}: must be 0 or more, got {getattr(self, key)}")


@dataclass(frozen=True)
class ExtPieNetSettings:
    """Ext-PIE-Net (Sharma et al. 2022) as SemiMemes ran it."""

    width: int = 512  # of the joint space
    attention: int = 256  # units of a PIENet's attention
    heads: int = 2  # of the fusion's attention
    pretrain_epochs: int = 10  # of self-supervision on all training memes
    pretrain_batch: int = 256  # rows; each is a negative of all others
    pretrain_lr: float = 1e-3  # Adam
    margin: float = 0.2  # of the hinge loss, on cosines
    temperature: float = 0.5  # of NT-Xent
    fusion_weight: float = 0.2  # of fusion with picture, and of fusion with text
    view_weight: float = 0.6  # of NT-Xent between two views
    direction: float = 0.7  # of the hinge loss from fusion to modality; the rest is the way back
    view_cells: float = 0.5  # least side of the window of a view's picture, as a share
    view_words: float = 0.2  # share of words that a view leaves out
    epochs: int = 50  # of the probe
    batch: int = 256  # rows of the probe
    lr: float = 1e-3  # peak of the probe's one cycle (it starts at 1/25)

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        _positive(self, *(f.name for f in fields(self) if f.type == "int"))
        _positive(self, "pretrain_lr", "lr", "margin", "temperature", "view_cells")
        _share(self, "direction", "view_words", "fusion_weight", "view_weight")
        if self.width % self.heads:
            raise ValueError(f"heads: {self.heads} do not divide a width of {self.width}")


@dataclass(frozen=True)
class JointSettings:
    """One transformer over picture and text; see lib.memes.rivals.joint."""

    checkpoint: str = ""  # hub name or folder; empty: a small one with random weights
    gpu: bool = False  # refuse to train without a CUDA device
    precision: Literal["fp32", "amp_bf16"] = "fp32"  # autocast
    text_length: int = 40  # word pieces
    adapter: bool = False  # a learned map where the regions' width is not the checkpoint's
    width: int = 32  # of the small one
    layers: int = 2  # of the small one
    epochs: int = 5
    batch: int = 32  # rows
    lr: float = 1e-5  # Adam
    hidden: int = 128  # units of the head
    dropout: float = 0.3  # of the head

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        _positive(self, "width", "layers", "epochs", "batch", "lr", "hidden")
        _share(self, "dropout")
        if self.text_length < 3:
            raise ValueError(f"text_length: must leave room for a word, got {self.text_length}")


@dataclass(frozen=True)
class Rivals:
    """Section `ssl_memes.systems.rivals`; the defaults of the three transformers are small ones."""

    tib_va: TibVaSettings = TibVaSettings()
    ext_pie_net: ExtPieNetSettings = ExtPieNetSettings()
    visualbert: JointSettings = JointSettings()
    lxmert: JointSettings = JointSettings(text_length=32)
    vilt: JointSettings = JointSettings(text_length=32)

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        for name in (field.name for field in fields(self)):
            try:
                getattr(self, name).validate()
            except ValueError as error:
                raise ValueError(f"{name}.{error}") from None
        for name, limit in POSITIONS.items():
            length = getattr(self, name).text_length
            if length > limit:
                raise ValueError(f"{name}.text_length: it has {limit} positions, got {length}")
