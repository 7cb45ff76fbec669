"""Machine: how much of it a run may use at once."""

from __future__ import annotations

from dataclasses import dataclass

SECTION = "machine"


@dataclass(frozen=True)
class Machine:
    """Settings of the whole run; section `machine`."""

    lanes: int = 1  # stages that run side by side
    threads: int = 0  # of the arithmetic of one process, on which last digits depend; 0: one a core

    def validate(self) -> None:
        """Raise ValueError("key: why") for a value out of range."""
        if self.lanes < 1:
            raise ValueError(f"lanes: must be at least 1, got {self.lanes}")
        if self.threads < 0:
            raise ValueError(f"threads: must not be negative, got {self.threads}")
