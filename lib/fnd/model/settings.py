"""Settings of training: section `fnd_clip_training`, and what a system has of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from lib.fnd.inputs import PROTOCOLS
from lib.fnd.systems import SYSTEMS, Dense, System, find
from lib.training import TrainSettings


@dataclass(frozen=True)
class Override:
    """What a system has of its own; None: as for all."""

    system: str
    lr: float | None = None  # of the head
    weight_decay: float | None = None
    dropout: float | None = None  # of every layer that drops out
    width: float = 1.0  # factor on the widths of its dense layers
    epochs: int | None = None
    batch: int | None = None


@dataclass(frozen=True)
class FndClipTraining:
    """Section `fnd_clip_training`."""

    systems: tuple[str, ...] = tuple(SYSTEMS)
    seeds: tuple[int, ...] = (0, 1, 2)
    protocols: tuple[str, ...] = tuple(PROTOCOLS)  # story, outlet (test outlets unseen)
    outlet_systems: tuple[str, ...] = ("text_only", "fnd_clip", "gated_interaction")
    clips: tuple[str, ...] = ()  # folders under the embeddings: clip, clip2
    device: str = "cpu"
    batch: int = 64
    select: Literal["auc", "loss", "macro_f1"] = "auc"  # what makes an epoch the best one
    class_weights: bool = True
    members: int = 3  # networks of an ensemble
    teacher_weight: float = 0.5  # of the cosine loss beside the cross-entropy
    teacher_margin: float = 0.2  # cosine above which a negative costs
    tuned: tuple[str, ...] = ()  # systems whose towers' last blocks learn too, as published
    checkpoints: bool = False  # a file an epoch; without, a killed run begins again
    train: TrainSettings = field(default_factory=TrainSettings)
    rates: tuple[float, ...] = ()  # learning rates of the head that are tried; (): lr_new alone
    own: tuple[Override, ...] = ()  # where a system differs; a rate given here is not searched

    def validate(self) -> None:
        """Raise ValueError("key: why") for a value out of range."""
        find(self.systems)
        for key, names in (
            ("outlet_systems", self.outlet_systems),
            ("tuned", self.tuned),
            ("own", [one.system for one in self.own]),
        ):
            for name in names:
                if name not in SYSTEMS:
                    raise ValueError(f"{key}: {name!r} is no system")
        for name in self.protocols:
            if name not in PROTOCOLS:
                raise ValueError(f"protocols: {name!r} is not one of {', '.join(PROTOCOLS)}")
        if not self.seeds or not 1 <= len(self.clips) <= 2:
            raise ValueError("seeds: name at least one; clips: one or two")
        if min(self.batch, self.members) < 1:
            raise ValueError(f"batch: must be at least 1, got {self.batch}; members {self.members}")
        if not all(0 < rate <= 1 for rate in self.rates):
            raise ValueError(f"rates: must be above 0 and at most 1, got {list(self.rates)}")
        self.train.validate()


def with_own(system: System, settings: FndClipTraining) -> tuple[System, FndClipTraining]:
    """Return system and settings with what the system has of its own."""
    default = Override(system.name)
    own = next((one for one in settings.own if one.system == system.name), default)
    train = settings.train
    given: Mapping[str, float | None] = {
        "lr_new": own.lr, "weight_decay": own.weight_decay, "epochs": own.epochs
    }  # fmt: skip
    train = replace(train, **{key: value for key, value in given.items() if value is not None})
    batch = own.batch if own.batch is not None else settings.batch

    def changed(one: Dense) -> Dense:
        widths = tuple(max(4, round(width * own.width)) for width in one.widths)
        rate = own.dropout if own.dropout is not None and one.dropout else one.dropout
        return replace(one, widths=widths, dropout=rate)

    learns = system.name in settings.tuned
    towers = tuple(
        (
            name,
            replace(
                tower,
                dense=changed(tower.dense),
                arrays=tuple(map(_learning, tower.arrays)) if learns else tower.arrays,
            ),
        )
        for name, tower in system.towers
    )
    system = replace(system, towers=towers, joint=changed(system.joint), head=changed(system.head))
    return system, replace(settings, train=train, batch=batch)


def _learning(array: str) -> str:
    """Return the name of the activations that learning blocks read instead of an array."""
    if array.endswith("_last"):
        return array.removesuffix("_last") + "_tuned"
    own_tower = array.endswith("_image") and not array.startswith("clip")
    return f"{array}_tuned" if own_tower else array
