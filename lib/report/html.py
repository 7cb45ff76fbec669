"""The shell of a page: one style sheet, one small script, nothing from the network."""

from __future__ import annotations

import html
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lib import paths

ASSETS = Path(__file__).parent / "data"
LOADS = re.compile(
    r"(?:<(?:script|img|link|iframe)\b[^>]*?(?:src|href)=|url\(|\bimport\s*\()"
    r"[\"']?(https?:[^\"')\s]+)"
)
LINKS = re.compile(r'(?:src|href)="((?!https?:|data:|mailto:|#)[^"]+)"')
SAMPLE = '<span class="sample">sample corpus</span>'
CREDITS = (
    'Sample pictures are composed of drawings by <a href="https://openmoji.org">OpenMoji</a> '
    '(<a href="https://creativecommons.org/licenses/by-sa/4.0/">CC BY-SA 4.0</a>) and Twemoji '
    '(<a href="https://creativecommons.org/licenses/by/4.0/">CC BY 4.0</a>); figures that show '
    "OpenMoji drawings are CC BY-SA 4.0. Names of emoji: Unicode CLDR."
)


@dataclass(frozen=True)
class Section:
    """One section of a page: heading, an opening paragraph (HTML), then blocks of HTML."""

    name: str  # anchor
    title: str
    lead: str
    blocks: list[str] = field(default_factory=list)

    def render(self) -> str:
        """The section as HTML."""
        lead = f"<p>{self.lead}</p>\n" if self.lead else ""
        head = f'<h2 id="{self.name}">{html.escape(self.title)}</h2>\n'
        return head + lead + "\n".join(self.blocks)


def home(out: Path) -> str:
    """Address of the front page from the pages of a profile, whose folder is `out`.

    The sample report's is index.html, that of any other profile bears its name beside it.
    """
    return "../index.html" if out.name in ("sample", "smoke") else f"../{out.name}.html"


def page(title: str, body: str, home: str, links: Sequence[tuple[str, str]] = ()) -> str:
    """A whole page; home: relative address of the front page; links: (text, address)."""
    style = (ASSETS / "page.css").read_text(encoding="utf-8")
    script = (ASSETS / "sort.js").read_text(encoding="utf-8")
    nav = "".join(f'<a href="{address}">{html.escape(text)}</a>' for text, address in links)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)} · PairLab</title>\n<style>\n{style}</style>\n</head>\n"
        "<body>\n"
        f'<header><nav><a href="{home}"><b>PairLab</b></a>{nav}</nav></header>\n'
        f"<main>\n{body}\n</main>\n<footer><p>{CREDITS}</p></footer>\n"
        f"<script>\n{script}</script>\n</body>\n</html>\n"
    )


def contents(sections: Sequence[Section]) -> str:
    """List of links to the sections of a page."""
    items = "".join(f'<li><a href="#{s.name}">{html.escape(s.title)}</a></li>' for s in sections)
    return f'<ol class="toc">{items}</ol>'


def figure(name: str, caption: str, alt: str, files: Sequence[str], css: str = "") -> str:
    """A figure of figures/`name`.<first of files>, with links to all its files."""
    links = " ".join(f'<a class="source" href="figures/{name}.{f}">{f}</a>' for f in files)
    return (
        f'<figure id="{name}" class="{css}"><div class="{css}"><img src="figures/{name}.{files[0]}"'
        f' alt="{html.escape(alt)}" loading="lazy"></div>\n<figcaption>{html.escape(caption)}'
        f" {links}</figcaption></figure>"
    )


def numbers(items: Sequence[tuple[str, str]]) -> str:
    """Row of headline numbers: (number, what it is)."""
    cells = (f"<div><b>{html.escape(n)}</b><span>{html.escape(w)}</span></div>" for n, w in items)
    return '<div class="numbers">' + "".join(cells) + "</div>"


def details(summary: str, body: str) -> str:
    """A block that opens on a click."""
    return f"<details><summary>{html.escape(summary)}</summary>\n{body}</details>"


def external(text: str) -> list[str]:
    """Addresses a page would load (not links to follow): scripts, images, styles, fonts."""
    return LOADS.findall(text)


def broken_links(pages: Sequence[Path]) -> list[str]:
    """Relative addresses in `pages` that lead to no file, as "page: address"."""
    broken = []
    for page_file in pages:
        for address in LINKS.findall(page_file.read_text(encoding="utf-8")):
            if not (page_file.parent / address.partition("#")[0]).exists():
                broken.append(f"{page_file.name}: {address}")
    return sorted(set(broken))


def machine_paths(text: str) -> list[str]:
    """Folders of this machine that a page names: the repository's, the interpreter's, the home.

    Whole paths only: `/hut` stands neither in `../hut/a.png`, in an address nor in base64.
    """
    folders = {str(paths.ROOT), sys.prefix, os.path.expanduser("~")}
    return [
        folder
        for folder in sorted(folders)
        if len(Path(folder).parts) > 1
        and folder in text  # of thousands of kB quickly, the pattern only where it may match
        and re.search(rf"(?:(?<![\w+/.-])|(?<=file://)){re.escape(folder)}(?![\w-])", text)
    ]


def write(path: Path, text: str) -> Path:
    """Write a page whole; ValueError if it needs the network or names a folder of this machine."""
    if found := external(text):
        raise ValueError(f"{path.name}: would load {found[0]}; pages must open without a network")
    if found := machine_paths(text):
        raise ValueError(f"{path.name}: names {found[0]}, a folder of this machine")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
    return path
