"""Writes the parts of a report page into its folder: tables, figures, and the settings of both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from lib import figures, tables
from lib.report import html as shell


@dataclass(frozen=True)
class Settings:
    """Settings of the reports; section `reports`."""

    bootstrap: int = 1000  # resamples behind an interval
    sheet: int = 12  # pictures on a sheet of examples
    show_content: bool = False  # show pictures of real data unblurred

    def validate(self) -> None:
        """Raise ValueError("key: why") for a value that makes no sense."""
        for key in ("bootstrap", "sheet"):
            if getattr(self, key) < 1:
                raise ValueError(f"{key}: must be at least 1, got {getattr(self, key)}")


@dataclass
class Writer:
    """Writes the parts of one page into its folder and keeps their order."""

    out: Path
    sample: bool
    written: list[str] = field(default_factory=list)

    def table(
        self, frame: pd.DataFrame, name: str, caption: str, formats: dict, published: bool = False
    ) -> str:
        """Write a table; returns its HTML. published: numbers of a paper, on no sample."""
        known = {column: how for column, how in formats.items() if column in frame}
        marked = self.sample and not published
        made = tables.write_table(frame, self.out / "tables", name, caption, marked, known)
        self.written += [f"tables/{path.name}" for path in made.values()]
        return made["html"].read_text(encoding="utf-8")

    def figure(
        self,
        fig: Figure,
        name: str,
        caption: str,
        data: pd.DataFrame,
        formats: Sequence[str] = ("svg", "png"),
        css: str = "wide",
    ) -> str:
        """Write a figure with its data; returns its HTML."""
        if self.sample:
            figures.stamp(fig)
        made = figures.save(fig, self.out / "figures", name, data, formats=formats)
        self.written += [f"figures/{path.name}" for path in made.values()]
        return shell.figure(name, caption, caption, list(made), css)
