"""The drop report: what a reader left out, or kept with a remark, and why."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

COLUMNS = ["id", "file", "reason", "outcome"]


@dataclass
class Drops:
    """Collects one row an event; `outcome` is dropped or kept (kept, but worth a remark)."""

    rows: list[tuple[str, str, str, str]] = field(default_factory=list)

    def drop(self, id: str, file: str, reason: str) -> None:
        """The item is not in the table."""
        self.rows.append((id, file, reason, "dropped"))

    def keep(self, id: str, file: str, reason: str) -> None:
        """The item is in the table, and a reader of the data card should know this."""
        self.rows.append((id, file, reason, "kept"))

    def frame(self) -> pd.DataFrame:
        """All events, sorted: id, file, reason, outcome."""
        frame = pd.DataFrame(self.rows, columns=COLUMNS, dtype=str)
        return frame.sort_values(COLUMNS, ignore_index=True)

    def summary(self) -> pd.DataFrame:
        """Events by outcome and reason: outcome, reason, count, example file; frequent first."""
        frame = self.frame()
        counts = frame.groupby(["outcome", "reason"], as_index=False).agg(
            count=("id", "size"), example=("file", "first")
        )
        return counts.sort_values(
            ["outcome", "count", "reason"], ascending=[True, False, True], ignore_index=True
        )

    def write(self, path: Path | str) -> None:
        """Write the events as CSV; the file appears whole or not at all."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            self.frame().to_csv(part, index=False, lineterminator="\n")
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
