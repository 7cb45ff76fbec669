"""An answer as HTML that needs no kernel: a column a system, and the ranks that moved."""

from __future__ import annotations

import html
from pathlib import Path

import numpy as np

from lib import figures
from lib.retrieval.explorer.gallery import THUMB, Answer, Gallery, Hits

INK = figures.INK
GAIN, LOSS, SAME = figures.PALETTE["blue"], figures.PALETTE["orange"], figures.MUTED


def render(gallery: Gallery, answer: Answer) -> str:
    """An answer as HTML: the title, the right picture's rank by system, a column a system."""
    if not answer.hits:
        return _frame('<p class="pl-note">Type a title, or pick one.</p>', 1)
    names = "".join(f"<h4>{html.escape(hits.system)}</h4>" for hits in answer.hits)
    columns = "".join(_column(gallery, answer, hits) for hits in answer.hits)
    body = (
        f'{_head(gallery, answer)}<div class="pl-grid">{names}</div>{_ranks(answer)}'
        f'<div class="pl-grid">{columns}</div>{_legend(answer)}'
    )
    return _frame(body, len(answer.hits))


def _head(gallery: Gallery, answer: Answer) -> str:
    title = f'<p class="pl-title">{html.escape(answer.text)}</p>'
    if answer.right is None:
        return f'<div class="pl-head">{title}</div>'
    return (
        f'<div class="pl-head"><div class="pl-hit pl-right">{_picture(gallery, answer.right)}</div>'
        f'<div>{title}<p class="pl-note">Its own picture, framed wherever it is found.</p></div>'
        "</div>"
    )


def _ranks(answer: Answer) -> str:
    """Drawing: the right picture's rank in each system, on a log scale, with arrows between."""
    ranks = [hits.rank for hits in answer.hits]
    if any(rank is None for rank in ranks):
        return ""
    depth = np.log(ranks) / max(np.log(max(ranks)), np.log(2.0))  # 0: rank 1, at the top
    across = 100 * (np.arange(len(ranks)) + 0.5) / len(ranks)
    down = 22 + 56 * depth
    marks = []
    for i, rank in enumerate(ranks):
        label = f"rank {rank:g}"
        color = INK if not i else _color(ranks[i - 1] - rank)
        arrow = "" if not i else f" {_arrow(ranks[i - 1] - rank)}"
        marks.append(
            f'<circle cx="{across[i]:.2f}%" cy="{down[i]:.1f}" r="4.5" fill="{color}"/>'
            f'<text x="{across[i]:.2f}%" y="{down[i] - 9:.1f}" text-anchor="middle" '
            f'fill="{color}">{label}{arrow}</text>'
        )
        if i:
            marks.insert(0, f'<line x1="{across[i - 1]:.2f}%" y1="{down[i - 1]:.1f}" '
                            f'x2="{across[i]:.2f}%" y2="{down[i]:.1f}" stroke="{color}" '
                            'stroke-width="2" opacity="0.55"/>')  # fmt: skip
    text = ", ".join(f"{h.system}: {h.rank:g}" for h in answer.hits)
    label = html.escape(f"Rank of the right picture. {text}")
    return (
        f'<svg class="pl-ranks" role="img" aria-label="{label}" width="100%" height="90">'
        f"{''.join(marks)}</svg>"
    )


def _column(gallery: Gallery, answer: Answer, hits: Hits) -> str:
    found = "".join(
        f'<div class="pl-hit{" pl-right" if row == answer.right else ""}">'
        f"{_picture(gallery, row)}<span><b>{place}</b> {score:.3f}{_moved(moved)}</span></div>"
        for place, (row, score, moved) in enumerate(
            zip(hits.ids, hits.scores, hits.moved, strict=True), start=1
        )
    )
    return f'<div class="pl-column">{found}</div>'


def _legend(answer: Answer) -> str:
    if len(answer.hits) < 2:
        return ""
    first = html.escape(answer.hits[0].system)
    return (
        '<p class="pl-note">Under a picture: its place, its score and how many places it moved '
        f"against {first}.</p>"
    )


def _picture(gallery: Gallery, row: int) -> str:
    source = gallery.thumb(row)
    name = html.escape(Path(gallery.images[row]).name)
    if not source:
        return f'<div class="pl-gone">{name}: cannot be read</div>'
    return f'<img src="{source}" alt="{name}" title="{name}">'


def _moved(places: int | None) -> str:
    """Arrow and number of places moved, in the colour of a gain or a loss; "" if not at all."""
    if not places:
        return ""
    return f' <i style="color:{_color(places)}">{_arrow(places)}{abs(places)}</i>'


def _arrow(gain: float) -> str:
    return "▲" if gain > 0 else "▼" if gain < 0 else "="


def _color(gain: float) -> str:
    return GAIN if gain > 0 else LOSS if gain < 0 else SAME


def _frame(body: str, columns: int) -> str:
    """Style and body; the class names are its own, so that no page's style is touched."""
    return f"<style>{STYLE}</style><div class='pl-explorer' style='--n:{columns}'>{body}</div>"


STYLE = f"""
.pl-explorer {{ background:#fff; color:{INK}; padding:12px; max-width:980px;
  font:14px/1.35 system-ui,sans-serif }}
.pl-explorer p, .pl-explorer h4 {{ margin:0 }}
.pl-head {{ display:flex; gap:14px; align-items:center; min-height:60px }}
.pl-head .pl-hit {{ width:104px; flex:none; margin:0 }}
.pl-title {{ font-size:19px; font-weight:600 }}
.pl-ranks {{ display:block; overflow:visible; font-size:12px; font-weight:600 }}
.pl-grid {{ display:grid; grid-template-columns:repeat(var(--n),minmax(0,1fr)); gap:0 }}
.pl-column {{ padding:0 10px; border-left:1px solid {figures.FAINT} }}
.pl-column:first-child {{ border-left:none }}
.pl-grid h4 {{ text-align:center; font-size:14px; padding:12px 0 2px }}
.pl-hit {{ margin:0 auto 8px; width:{THUMB}px; text-align:center; border-radius:6px;
  padding:3px; border:3px solid transparent; box-sizing:border-box; max-width:100% }}
.pl-hit img {{ display:block; width:100%; height:auto; border-radius:3px }}
.pl-hit span {{ font-size:12px; font-variant-numeric:tabular-nums }}
.pl-hit i {{ font-style:normal; font-weight:600 }}
.pl-right {{ border-color:{figures.PALETTE["green"]}; background:#E8F6F1 }}
.pl-explorer .pl-note {{ color:{figures.MUTED}; font-size:13px }}
.pl-gone {{ height:70px; font-size:11px; color:{figures.MUTED}; background:#F2F2F2 }}
"""
