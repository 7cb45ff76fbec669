"""Writes a report page and its parts into a folder: tables, figures, and where both come from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from lib import figures, tables
from lib.report import html as shell
from lib.report import origin as origins
from lib.report.headline import Headline
from lib.report.html import Section
from lib.report.origin import Origin


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
    """Writes one page and its parts into its folder, and keeps what was written.

    Every table and figure links to the block at the foot of the page that names its origin.
    """

    out: Path
    sample: bool
    origin: Origin = field(default_factory=Origin)
    computed: list[str] = field(default_factory=list)  # files, from `out`
    published: list[str] = field(default_factory=list)  # the same of numbers that no run made
    captions: dict[str, str] = field(default_factory=dict)  # figure -> its caption

    def table(
        self,
        frame: pd.DataFrame,
        name: str,
        caption: str,
        formats: dict,
        published: bool = False,
        source: str = "",
    ) -> str:
        """Write a table; returns its HTML.

        published: numbers that no run made, those of a paper or of the file `source`.
        """
        known = {column: how for column, how in formats.items() if column in frame}
        marked = self.sample and not published
        made = tables.write_table(frame, self.out / "tables", name, caption, marked, known)
        kept = self.published if published else self.computed
        kept += [f"tables/{path.name}" for path in made.values()]
        source = source or ((self.origin.published or "print") if published else "source")
        return _linked(made["html"].read_text(encoding="utf-8"), source)

    def figure(
        self,
        fig: Figure,
        name: str,
        caption: str,
        data: pd.DataFrame,
        formats: Sequence[str] = ("svg", "png"),
        css: str = "wide",
    ) -> str:
        """Write a figure with its data, stamped if of a sample corpus; returns its HTML."""
        if self.sample:
            figures.stamp(fig)
        return self.drawn(fig, name, caption, data, formats, css)

    def drawn(
        self,
        fig: Figure,
        name: str,
        caption: str,
        data: pd.DataFrame,
        formats: Sequence[str] = ("svg", "png"),
        css: str = "wide",
    ) -> str:
        """Write a figure as it is, with its data; returns its HTML."""
        made = figures.save(fig, self.out / "figures", name, data, formats=formats)
        self.computed += [f"figures/{path.name}" for path in made.values()]
        self.captions[name] = caption
        return _linked(shell.figure(name, caption, caption, list(made), css), "source")

    def page(
        self,
        file: str,
        title: str,
        opening: str,
        parts: Sequence[Section],
        links: Sequence[tuple[str, str]],
        heads: Mapping[str, Headline] | None = None,
    ) -> dict[str, Headline]:
        """Write the page `file` around its sections, and where its numbers come from.

        opening: HTML above the contents; links: (text, address); heads: what the front page says
        of the page's studies, by their address. Returns these with the captions of their figures,
        and without a figure where the data did not allow one.
        """
        body = opening + shell.contents(parts) + "\n".join(part.render() for part in parts)
        body += f"\n{origins.describe(self.origin)}"
        shell.write(self.out / file, shell.page(title, body, shell.home(self.out), links))
        origins.record(self.out, file, self.origin, self.computed, self.published)
        return {address: self._shown(head) for address, head in (heads or {}).items()}

    def _shown(self, head: Headline) -> Headline:
        drawn = head.figure if head.figure in self.captions else ""
        return replace(head, figure=drawn, caption=self.captions.get(drawn, ""))


def _linked(made: str, text: str) -> str:
    """HTML of a table or figure with a link from its caption to its origin."""
    link = f' <a class="source" href="#{origins.ANCHOR}">{text}</a>'
    return made.replace("</figcaption>", f"{link}</figcaption>", 1)
