"""What the study asks beyond training: settings of section `fnd_study`."""

from __future__ import annotations

from dataclasses import dataclass, field

from lib.fnd.inputs import SWAPS
from lib.fnd.leakage import Leakage
from lib.fnd.systems import SYSTEMS


@dataclass(frozen=True)
class FndStudy:
    """Settings of section `fnd_study`."""

    swaps: tuple[str, ...] = SWAPS  # what one modality is replaced by, on test rows
    swap_seed: int = 0  # which other article's
    learning_systems: tuple[str, ...] = ("text_only", "image_only", "fnd_clip")  # also on less
    shares: tuple[float, ...] = (0.1, 0.25, 0.5)  # of the training groups; all is the plain run
    keep: tuple[str, ...] = ("fnd_clip",)  # systems whose weights are saved
    workers: int = 1  # processes, on a CPU of one thread each; they do not change a byte
    leakage: Leakage = field(default_factory=Leakage)  # of the report before training

    def validate(self) -> None:
        """Raise ValueError("key: why") for a value out of range."""
        if unknown := set(self.swaps) - set(SWAPS):
            raise ValueError(f"swaps: {sorted(unknown)[0]!r} is none of {', '.join(SWAPS)}")
        if self.workers < 1:
            raise ValueError(f"workers: must be at least 1, got {self.workers}")
        if not all(0 < share < 1 for share in self.shares):
            raise ValueError(f"shares: must be between 0 and 1, got {list(self.shares)}")
        for key in ("learning_systems", "keep"):
            for name in getattr(self, key):
                if name not in SYSTEMS:
                    raise ValueError(f"{key}: {name!r} is no system")
        try:
            self.leakage.validate()
        except ValueError as error:
            raise ValueError(f"leakage.{error}") from None
        for name in self.keep:
            if SYSTEMS[name].kind == "baseline":
                raise ValueError(f"keep: {name!r} is a baseline and has no weights")
