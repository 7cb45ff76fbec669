"""The page of the retrieval studies, and what the front page says of it."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from lib import tables
from lib.report import html as shell
from lib.report.headline import Headline, judged, limits, listed
from lib.report.origin import MADE_UP, Origin
from lib.report.retrieval import load, ranking, tuning
from lib.report.writer import Settings, Writer
from lib.retrieval.findings import FINE_TUNED, TRIVIAL, WISE_FT, ZERO_SHOT, Findings, claims
from lib.retrieval.findings.scores import Scores, score
from lib.retrieval.findings.tuning import of

PAGE, RUNS = "retrieval.html", "retrieval.html#runs_2023"
GAINS = "{} raises MRR over {}"  # wording of the claims of 2022
HELPS = "dual softmax helps "  # of those of 2023, where the paper says so; then the run


def write_retrieval(
    found: Findings, out: Path, settings: Settings, root: Path | None, origin: Origin = MADE_UP
) -> dict[str, Headline]:
    """Write retrieval.html with all its tables and figures into `out`; returns both headlines.

    root: folder that the pairs' pictures are relative to; None leaves the picture sheets out.
    """
    writer, checked = Writer(out, found.sample, origin), claims.check(found)
    parts = [
        tuning.systems(found, writer),
        tuning.alpha(found, writer),
        tuning.forgetting(found, writer),
        tuning.moves(found, writer, settings, root),
        tuning.over_time(found, writer),
        tuning.planted(found, writer, root),
        ranking.runs(found, writer),
        ranking.paraphrases(found, writer),
        ranking.hubness(found, writer),
        ranking.verdicts(checked, writer),
        ranking.errors(writer),
        ranking.limits(found),
    ]
    parts = [part for part in parts if part is not None]
    heads = {PAGE: headline(found, checked), RUNS: headline_2023(checked)}
    opening = _opening(found, heads[PAGE].numbers)
    links = [("Data", "data.html"), ("Notebook", "notebooks/04_wise_ft_retrieval.html")]
    return writer.page(PAGE, "News image–text retrieval", opening, parts, links, heads)


def load_and_write(
    predictions: str, config: str, out: Path, settings: Settings, origin: Origin
) -> tuple[dict[str, Headline], dict[str, Any]]:
    """Read the study and write its page; returns both headlines, and what was read.

    What was read: systems, tuned (sets), queries (a set). One call with plain arguments, so that
    another process can make it. Raises what `load` and `write_retrieval` raise.
    """
    found, pictures = load(predictions, config, settings.bootstrap)
    heads = write_retrieval(found, out, settings, pictures, origin)
    queries = found.queries.groupby("set")["query"].nunique().to_dict()
    systems = found.queries["system"].nunique()
    return heads, {"systems": systems, "tuned": found.tuned, "queries": queries}


def headline(found: Findings, checked: pd.DataFrame) -> Headline:
    """What the front page says of the study of 2022; checked: the table of claims."""
    added = checked[checked["claim"] == GAINS.format("WiSE-FT", "fine-tuning")]
    tuned = checked[checked["claim"] == GAINS.format("fine-tuning", "zero-shot")]
    sentence = (
        f"WiSE-FT changes the MRR of fine-tuning by {_by_set(added)}; fine-tuning that of "
        f"zero-shot by {_by_set(tuned)}."
    )
    return Headline(
        _numbers(found),
        "WiSE-FT finds the picture better than fine-tuning alone, on the source it was tuned on.",
        sentence,
        judged(added["verdict"], claims),
        "retrieval_frontier",
    )


def headline_2023(checked: pd.DataFrame) -> Headline:
    """What the front page says of the study of 2023; checked: the table of claims."""
    rows = checked[checked["claim"].str.startswith(HELPS)]
    rows = rows.assign(run=rows["claim"].str.removeprefix(HELPS))
    sentence = "None of the sets on which the paper says so was run here."
    if len(rows):
        parts = [f"that of {run} by {_by_set(part)}" for run, part in rows.groupby("run")]
        sentence = f"Dual softmax changes MRR: {listed(parts)}."
    return Headline(
        [(limits(row), f"MRR that dual softmax adds to {row['run']} on {row['set']}")
         for _, row in rows.iterrows()],
        "Dual softmax raises MRR on the sets where the paper says that it does.",
        sentence,
        judged(rows["verdict"], claims),
        "retrieval_corrections",
    )  # fmt: skip


def _by_set(rows: pd.DataFrame) -> str:
    """Differences with their intervals, set by set."""
    return listed([f"{limits(row)} on {row['set']}" for _, row in rows.iterrows()])


def _numbers(found: Findings) -> list[tuple[str, str]]:
    """Headline numbers of the first source: (number, what it is)."""
    source = found.tuned[0]
    scores = _scores(found, source)
    said = [
        (ZERO_SHOT, f"MRR@100 on {source}: zero-shot, its image among {scores.queries:,}"),
        (FINE_TUNED, "fine-tuned on the source's own headlines"),
        (WISE_FT, "WiSE-FT, α chosen on validation queries"),
    ]
    numbers = [(tables.interval(*scores.estimate(name)), text) for name, text in said]
    trivial = [name for name in TRIVIAL if ("rr", name) in scores.means]
    best = max(trivial, key=lambda name: scores.means["rr", name])
    text = f"by the best ranking that reads no headline ({best.replace('_', ' ')})"
    return [*numbers, (tables.number(scores.means["rr", best], 3), text)]


def _scores(found: Findings, source: str) -> Scores:
    """MRR of every 2022 system on a source's own test queries."""
    mine = of(found.candidates(), source, source)
    return score(mine, "system", ["rr"], found.bootstrap)


def _opening(found: Findings, numbers: Sequence[tuple[str, str]]) -> str:
    """Title, question and headline numbers."""
    mark = f" {shell.SAMPLE}" if found.sample else ""
    tests = found.plain[found.plain["split"] == "test"].drop_duplicates("query")
    counts = tests["set"].value_counts(sort=False)
    sets = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    seeds = found.plain.loc[found.plain["system"] == FINE_TUNED, "seed"].nunique()
    said = (
        f"Test queries: {sets}; one image each. {seeds} training seeds. Intervals are 95 %; "
        "near-duplicates are resampled together."
    )
    chosen = tuning.chosen_note(found)
    return (
        f"<h1>Which picture belongs to the headline?{mark}</h1>\n"
        '<p class="lead">A headline rarely says what its picture shows. How far does CLIP get '
        "untrained, what does fine-tuning gain and what does it forget, can interpolating the "
        "weights have both, and how much of a score is hubness?</p>\n"
        "<p>After two notes of MediaEval NewsImages: Fukatsu and Aono 2022 (fine-tuning and "
        "WiSE-FT) and Leventakis, Galanopoulos and Mezaris 2023 (dual softmax). "
        f"{html.escape(said)} Mean α chosen: {html.escape(chosen)}.</p>\n" + shell.numbers(numbers)
    )
