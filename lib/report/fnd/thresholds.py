"""Sections on thresholds, confidence and slices; the explorer that needs no server."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pandas as pd

from lib.fnd.findings import FND_CLIP, OURS, Findings, planted, slices
from lib.fnd.findings.board import HALF, TUNED
from lib.fnd.findings.systems import NAMED_THRESHOLDS
from lib.fnd.panels import slices as slice_panels
from lib.fnd.panels import thresholds as panels
from lib.report import html as shell
from lib.report.html import Section
from lib.report.writer import Writer

SCRIPT = Path(__file__).with_name("data") / "explorer.js"
SLICES = {"macro_f1": 3, "accuracy": 3, "prevalence": 3, "always_positive_f1": 3, "majority": 3}
CELLS = ("tp", "fp", "fn", "tn")


def thresholds(found: Findings, writer: Writer) -> Section:
    """The trade of precision and recall, the explorer, confusion matrices."""
    lead = (
        "A score becomes an answer by a threshold, and the threshold is a matter of what an error "
        "costs: whoever must not accuse wrongly moves it up, whoever must not miss anything moves "
        "it down. Move it here; the counts are those of the test articles, seeds averaged."
    )
    table = slices.thresholds(found)
    board = found.board()
    marks = {name: {NAMED_THRESHOLDS[w]: board.thresholds(name, w).mean() for w in (HALF, TUNED)}
             for name in table["system"].unique()}  # fmt: skip
    cells = confusion(found)
    blocks = [
        explorer(table, max(0.0, min(1.0, round(board.thresholds(_main(table)).mean(), 2)))),
        writer.figure(panels.trade(table, marks), "fnd_thresholds", "Precision, recall, fake-F1 "
                      "and macro-F1 over the threshold", table),
        writer.figure(panels.matrices(cells), "fnd_confusion", "Confusion matrices at tuned "
                      "thresholds (articles, seeds averaged; share of each truth)", cells),
    ]  # fmt: skip
    return Section("thresholds", "Precision or recall?", lead, blocks)


def _main(table: pd.DataFrame) -> str:
    """The system that the explorer opens with."""
    names = set(table["system"])
    return OURS if OURS in names else FND_CLIP if FND_CLIP in names else table["system"].iloc[-1]


def confusion(found: Findings) -> pd.DataFrame:
    """Return confusion counts at tuned thresholds, seeds averaged: system, title, tp ... tn."""
    board, rows = found.board(), []
    for system in slices.SYSTEMS:
        if system in board.scores:
            said = board.answers(system)
            y = board.y.astype(bool)
            cells = [(said & y), (said & ~y), (~said & y), (~said & ~y)]
            counts = dict(zip(CELLS, (c.sum(1).mean() for c in cells), strict=True))
            rows.append({"system": system, "title": found.title(system)} | counts
                        | {"prevalence": board.prevalence})  # fmt: skip
    return pd.DataFrame(rows)


def explorer(table: pd.DataFrame, start: float) -> str:
    """Return a threshold explorer as HTML with its script; table: of `slices.thresholds`."""
    data = {
        title: part[list(CELLS)].round(1).to_numpy().tolist()
        for title, part in table.groupby("title", sort=False)
    }
    main = table.loc[table["system"] == _main(table), "title"].iloc[0]
    options = "".join(
        f"<option{' selected' if title == main else ''}>{html.escape(title)}</option>"
        for title in data
    )
    counts = json.dumps(data).replace("</", "<" + chr(92) + "/")  # no title ends the script
    return (
        '<div class="explorer" id="fnd_explorer">\n'
        f'<label>system <select aria-label="system">{options}</select></label>\n'
        f'<label>threshold <input type="range" min="0" max="100" value="{round(start * 100)}" '
        'aria-label="threshold"> <output></output></label>\n'
        '<div class="explored"></div>\n'
        f'<script type="application/json">{counts}</script>\n'
        f"<style>\n{STYLE}</style>\n<script>\n{SCRIPT.read_text(encoding='utf-8')}</script>\n</div>"
    )


STYLE = """\
.explorer{border:1px solid var(--line);border-radius:6px;padding:1rem 1.1rem;margin:1.2rem 0}
.explorer label{display:inline-block;margin:0 1.6rem .6rem 0;font-size:.93rem}
.explorer input[type=range]{width:18rem;max-width:60vw;vertical-align:middle}
.explorer output{display:inline-block;width:2.6rem;font-variant-numeric:tabular-nums}
.explored{display:flex;flex-wrap:wrap;gap:1.2rem 2.4rem;align-items:center}
.explored td.cell{text-align:center;padding:.7rem 1.1rem;font-size:1rem}
.explored .bar{display:grid;grid-template-columns:5.5rem minmax(4rem,12rem) 3rem;gap:.6rem;
align-items:center;font-size:.88rem;margin:.2rem 0}
.explored .bar div{background:var(--soft);height:.8rem}
.explored .bar i{display:block;height:100%;background:var(--blue)}
.explored p{flex-basis:100%;margin:0;font-size:.93rem}
"""


def confidence(found: Findings, writer: Writer) -> Section:
    """Reliability diagrams."""
    lead = (
        "If a system says 80 %, are 80 % of those articles Likely? On the diagonal they are. Dots "
        "grow with the number of articles; bars are 95 % Wilson intervals; ECE is the mean gap."
    )
    table = slices.reliability(found)
    drawn = panels.reliability(table)
    figure = writer.figure(drawn, "fnd_reliability", "Reliability on test articles, all seeds "
                           "together", table)  # fmt: skip
    return Section("confidence", "Is the probability one?", lead, [figure])


def parts(found: Findings, writer: Writer) -> Section:
    """By category, by outlet, by training size."""
    lead = (
        "The same systems within each category and outlet. Slices differ in their share of Likely "
        "articles, so the grey tick, always-Likely, moves too. Slices with few articles of a class "
        "are left out."
    )
    blocks = []
    sliced = {"category": slices.by_category(found), "outlet": slices.by_outlet(found)}
    for name, table in sliced.items():
        if len(table):
            caption = f"Macro-F1 by {name}, the largest first"
            drawn = slice_panels.slices(table)
            blocks.append(writer.figure(drawn, f"fnd_by_{name}", caption, table))
            plain = table.drop(columns="system")
            listed = writer.table(plain, f"fnd_by_{name}", f"By {name}", SLICES)
            blocks.append(shell.details(f"By {name}, as a table", listed))
    curve = slices.learning(found)
    if len(curve):
        blocks.append(writer.figure(slice_panels.learning(curve, planted.ceiling(found)),
                                    "fnd_learning", "Macro-F1 by the share of training groups",
                                    curve))  # fmt: skip
    return Section("slices", "Where, and with how much data?", lead, blocks)
