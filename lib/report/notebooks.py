"""Executed notebooks as pages: prose of the committed notebook, outputs of the executed copy.

Formulas are drawn here, as SVG, so that a page needs no MathJax; what matplotlib cannot set is
shown as its TeX source. Mermaid flowcharts are drawn too.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import os
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import matplotlib as mpl
import nbformat
from matplotlib import mathtext
from matplotlib.font_manager import FontProperties
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from nbformat import NotebookNode
from PIL import Image

from lib import figures, paths
from lib.report import html as shell
from lib.report import mermaid

# TeX that matplotlib's mathtext knows by another name.
SPELLING = ((r"\\top\b", r"{\\mathrm{T}}"), (r"\\ge\b", r"\\geq"), (r"\\le\b", r"\\leq"))
ROOT = "../../.."  # from there to the repository's root
INJECTED = "injected-parameters"
PNG = re.compile(r'src="data:image/png;base64,([^"]+)"')
HEAVY = 60_000  # bytes of a PNG that photographs make so large
WEBP_QUALITY = 75  # of 100, Pillow's default is 80
SVG_ID = re.compile(r'(?<=id=")[\w-]+(?=")|(?<=href="#)[\w-]+(?=")|(?<=url\(#)[\w-]+(?=\))')


def merge(source: NotebookNode, executed: NotebookNode) -> NotebookNode:
    """The committed notebook with the outputs of its executed copy, cell by cell.

    ValueError naming the first code cell whose code differs: the copy is of another version.
    """
    ran = [c for c in executed.cells if c.cell_type == "code" and not _is_injected(c)]
    merged = nbformat.from_dict(source)
    code = [c for c in merged.cells if c.cell_type == "code"]
    if len(code) != len(ran):
        raise ValueError(f"{len(code)} code cells, but the executed copy has {len(ran)}")
    for number, (cell, copy) in enumerate(zip(code, ran, strict=True), start=1):
        if cell.source.strip() != copy.source.strip():
            raise ValueError(f"code cell {number} differs from the executed copy; run it again")
        cell.outputs, cell.execution_count = copy.outputs, copy.execution_count
    return merged


def render(
    notebook: NotebookNode,
    name: str,
    sample: bool,
    names: Sequence[str] = (),
    root: str = ROOT,
    home: str = "../../index.html",
) -> str:
    """The page of a notebook, `name` as its title; names, root: as for `relink`."""
    exporter = _Exporter(template_name="basic", embed_images=True)
    body, _ = exporter.from_notebook_node(notebook)
    body = lighten(body.replace("\u00b6</a>", "</a>"))
    label = shell.SAMPLE if sample else ""
    body = relink(body, names, root)
    head = f"<p>{label} Notebook, as the pipeline ran it.</p>"
    return shell.page(name, f"{head}\n{body}", home)


def lighten(body: str) -> str:
    """The page with its sheets of photographs as WebP, about half the bytes of their PNG.

    Figures of lines stay as they are: they are small, and would blur.
    """

    def smaller(match: re.Match) -> str:
        png = base64.b64decode(match[1])
        if len(png) < HEAVY:
            return match[0]
        with Image.open(io.BytesIO(png)) as picture:
            picture.convert("RGB").save(out := io.BytesIO(), "WEBP", quality=WEBP_QUALITY)
        if len(out.getvalue()) > 0.75 * len(png):
            return match[0]
        return f'src="data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"'

    return PNG.sub(smaller, body)


def render_folder(source: Path, executed: Path, out: Path, sample: bool) -> list[Path]:
    """Render every executed notebook of a folder; returns the pages written.

    An executed copy belongs to the committed notebook whose name it starts with
    (01_data_preparation_instacities to 01_data_preparation). The notebook that is being executed
    now (07_reports) is not in `executed` yet and has no page.
    """
    pages, home = [], f"../{shell.home(out.parent)}"
    stems = {path.stem: path for path in sorted(source.glob("*.ipynb"))}
    copies = sorted(executed.glob("*.ipynb"))
    for copy in copies:
        origin = [stem for stem in stems if copy.stem.startswith(stem)]
        if not origin or copy.stem == "07_reports":
            continue
        names, root = [c.stem for c in copies], Path(os.path.relpath(paths.ROOT, out)).as_posix()
        try:
            notebook = merge(_read(stems[max(origin, key=len)]), _read(copy))
            text = render(notebook, copy.stem, sample, names, root, home)
        except ValueError as error:
            raise ValueError(f"{copy.name}: {error}") from None
        pages.append(shell.write(out / f"{copy.stem}.html", text))
    return pages


def relink(text: str, names: Sequence[str], root: str = ROOT) -> str:
    """The body of a notebook page with its relative links mended.

    names: pages beside it; root: way from the page to the repository's root, where `../` led from
    the notebook. A link to a notebook leads to the first page made from it, or to the notebook.
    """

    def mend(match: re.Match) -> str:
        stem = match[1]
        page = next((name for name in names if name.startswith(stem)), "")
        return f'href="{page}.html"' if page else f'href="{root}/notebooks/{stem}.ipynb"'

    return re.sub(r'href="([\w-]+)\.ipynb"', mend, text.replace('href="../', f'href="{root}/'))


@cache  # one notebook's prose is on the page of every data set it ran on
def math_svg(tex: str, size: float = 12) -> str:
    """A formula as inline SVG; its source as code where it cannot be drawn."""
    clean = known = " ".join(tex.split())
    for word, other in SPELLING:
        known = re.sub(word, other, known)
    try:
        svg = _draw(f"${known}$", size)
    except ValueError:  # mathtext knows only a part of TeX
        return f"<code>{html.escape(clean)}</code>"
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
    # Ids repeat from formula to formula; a page has many.
    mark = hashlib.sha256(clean.encode()).hexdigest()[:8]
    svg = SVG_ID.sub(lambda m: f"{m[0]}-{mark}", svg)
    label = html.escape(clean, quote=True)
    return svg.replace("<svg", f'<svg class="math" role="img" aria-label="{label}"', 1)


def _draw(text: str, size: float) -> str:
    """SVG of a mathtext string."""
    buffer = io.BytesIO()
    fixed = {"svg.hashsalt": "pairlab", "svg.fonttype": "path", "mathtext.fontset": "dejavusans"}
    with mpl.rc_context({**fixed, "savefig.transparent": True}):
        mathtext.math_to_image(
            text, buffer, prop=FontProperties(size=size), format="svg", color=figures.INK
        )
    return buffer.getvalue().decode()


class _Renderer(IPythonRenderer):
    """Markdown with drawn formulas and flowcharts."""

    def inline_math(self, body: str) -> str:
        return math_svg(html.unescape(body))

    def block_math(self, body: str) -> str:
        return f'<div class="math">{math_svg(html.unescape(body), 14)}</div>'

    def block_code(self, code: str, info: str | None = None) -> str:
        if (info or "").strip() == "mermaid":
            return f'<div class="diagram">{mermaid.svg(code)}</div>'
        return super().block_code(code, info)


class _Exporter(HTMLExporter):
    """nbconvert's HTML with our Markdown."""

    def markdown2html(self, context, source):
        renderer = _Renderer(escape=False, embed_images=True, **self.lexer_options)
        return MarkdownWithMath(renderer=renderer).render(source)

    # jinja hands the context only to functions marked so
    markdown2html.jinja_pass_arg = HTMLExporter.markdown2html.jinja_pass_arg


def _read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def _is_injected(cell: NotebookNode) -> bool:
    return INJECTED in cell.metadata.get("tags", [])
