"""The page of the retrieval studies, and what the front page says of it."""

from __future__ import annotations

import html
from pathlib import Path

from lib import tables
from lib.report import html as shell
from lib.report.retrieval import ranking, tuning
from lib.report.writer import Settings, Writer
from lib.retrieval.findings import FINE_TUNED, TRIVIAL, WISE_FT, ZERO_SHOT, Findings
from lib.retrieval.findings.scores import Scores, score
from lib.retrieval.findings.tuning import of


def write_retrieval(
    found: Findings, out: Path, settings: Settings, root: Path | None
) -> list[tuple[str, str]]:
    """Write retrieval.html with all its tables and figures into `out`; returns the headline.

    root: folder that the pairs' pictures are relative to; None leaves the picture sheets out.
    """
    writer = Writer(out, found.sample)
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
        ranking.verdicts(found, writer),
        ranking.errors(writer),
        ranking.limits(found),
    ]
    parts = [part for part in parts if part is not None]
    head = headline(found)
    body = _opening(found, head) + shell.contents(parts) + "\n".join(p.render() for p in parts)
    links = [("Data", "data.html"), ("Notebook", "notebooks/04_wise_ft_retrieval.html")]
    page = shell.page("News image–text retrieval", body, shell.home(out), links)
    shell.write(out / "retrieval.html", page)
    return head


def headline(found: Findings) -> list[tuple[str, str]]:
    """What the front page says of the study: (number, what it is), of the first source."""
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


def _opening(found: Findings, head: list[tuple[str, str]]) -> str:
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
        f"{html.escape(said)} Mean α chosen: {html.escape(chosen)}.</p>\n" + shell.numbers(head)
    )
