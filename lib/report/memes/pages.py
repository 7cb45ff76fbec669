"""The page of the memes study, and what the front page says of it."""

from __future__ import annotations

import html
from pathlib import Path

from lib import tables
from lib.memes.findings import OURS, Findings, Key, claims
from lib.report import html as shell
from lib.report.memes import care, corpus, features, scores
from lib.report.memes.naming import NamedWriter
from lib.report.writer import Settings

CLAIMS = {claims.AE: "the auto-encoder", claims.LOSS: "the loss"}


def write_memes(
    found: Findings, out: Path, settings: Settings, root: Path | None
) -> list[tuple[str, str]]:
    """Write memes.html with all its tables and figures into `out`; returns the headline.

    root: folder that the pairs' pictures are relative to; None leaves the sheets of memes out.
    """
    writer = NamedWriter(out, found.sample)
    parts = [
        corpus.described(found, writer, settings.show_content, root),
        scores.systems(found, writer),
        scores.paper_tables(found, writer),
        scores.curves(found, writer),
        scores.verdicts(found, writer),
        features.loss(found, writer),
        features.maps(found, writer),
        features.label_shift(found, writer),
        scores.sweeps(found, writer),
        features.read_back(found, writer),
        scores.ceilings(found, writer),
        scores.errors(writer),
        care.model_card(found),
        features.limits(found),
    ]
    parts = [part for part in parts if part is not None]
    head = headline(found)
    body = _opening(found, head) + shell.contents(parts) + "\n".join(p.render() for p in parts)
    links = [("Data", "data.html"), ("Notebook", "notebooks/05_ssl_memes.html")]
    page = shell.page("Memes with few labels", body, shell.home(out), links)
    shell.write(out / "memes.html", page)
    return head


def headline(found: Findings) -> list[tuple[str, str]]:
    """What the front page says of the study: (number, what it is), at the most labels."""
    ratio = found.ratios[0]
    row = found.row(Key(OURS, "", ratio), ("task_b", "auc"))
    share, said = f"{100 * ratio:g} % labels", []
    for name, text in (("task_b", f"task B of RAW-N-COOK, {share}"), ("auc", "its macro AUC")):
        limits = (row[name], row[f"{name}_low"], row[f"{name}_high"])
        said.append((tables.interval(*limits), text))
    negative = scores.trivial(found, ratio)["all_negative"]
    said.append((tables.number(negative), "task B of giving no label at all"))
    table = claims.check(found)
    for claim, name in CLAIMS.items():
        mine = table[table["claim"] == claim]
        held = int((mine["verdict"] == claims.HOLDS).sum())
        said.append((f"{held} of {len(mine)}", f"comparisons in which {name} helps, beyond luck"))
    return said


def _opening(found: Findings, head: list[tuple[str, str]]) -> str:
    """Title, warning, question and headline numbers."""
    mark = f" {shell.SAMPLE}" if found.sample else ""
    seeds = found.runs[found.runs["system"] == OURS]["seed"].nunique()
    systems = found.runs["system"].nunique()
    said = (
        f"{len(found.test_ids):,} test memes; {systems} systems; {seeds} seeds of the main ones. "
        "Intervals are 95 %; near-duplicates are resampled together."
    )
    return (
        f"<h1>Can hateful memes be found with few labels?{mark}</h1>\n{care.warning()}"
        '<p class="lead">Auto-encoders learn from memes without labels to foretell the text from '
        "the picture and back; small heads learn four types of misogyny from the few memes that "
        "have labels. Does either the auto-encoder or the loss help, and would something simpler "
        "do as well?</p>\n<p>After SemiMemes (ICCCI 2023) on MAMI (SemEval 2022, task 5). "
        f"{html.escape(said)}</p>\n" + shell.numbers(head)
    )
