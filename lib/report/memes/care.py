"""What a reader is warned of, and the model card: what the heads are for, and what not."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence

from lib import tables
from lib.memes.findings import OURS, Findings, Key
from lib.memes.findings.resampling import MEASURES
from lib.report.html import Section

WARNING = (
    "This study is about memes that degrade women. Its real data set shows discriminatory and "
    "violent content that may be disturbing. None of it is shown here: pictures of real memes are "
    "blurred and their words masked unless `show_content` is set, and no real meme's picture or "
    "text is in this repository. Sample memes insult robots only."
)
INTENDED = (
    "research on learning from few labels: comparing losses, features and ways to use unlabelled "
    "memes",
    "teaching, on the sample corpus",
    "ranking memes for people who moderate, as a help whose every decision a person makes",
)
OUT_OF_SCOPE = (
    "automatic sanctions: deleting, hiding or reporting a post or blocking an account",
    "watching or profiling persons or groups, or guessing what an author thinks",
    "languages other than English, other platforms, other years, or other kinds of hate",
    "generating memes or helping to slip past moderation",
)
FAILURES = (
    "words that name a group push scores up in harmless memes (identity-term bias, reported by "
    "MAMI's authors); memes that quote or mock an insult look like the insult",
    "known templates are recognised rather than read: the picture alone tells much",
    "labels are judgements of a few annotators, and their types overlap",
    "types are more frequent in the test set than in training, so probabilities and thresholds "
    "that fit training memes are off; see label shift",
    "text is a transcription; where it must be read from the picture, its errors come on top",
    "with few labels some systems answer every meme alike; tables flag them",
)
DATA = (
    "MAMI (Fersini et al. 2022) is given on request, to participants and for academic purposes, "
    "and may not be passed on. Features and heads trained on it fall under the same terms."
)
WELLBEING = (
    "Looking at such memes for long is a strain: work in short turns, keep pictures small and "
    "blurred, and stop when it weighs on you."
)


def warning() -> str:
    """The content warning as HTML."""
    return f"<blockquote><b>Content warning.</b> {_code(WARNING)}</blockquote>\n"


def model_card(found: Findings) -> Section:
    """The model card of RAW-N-COOK, its numbers from the run."""
    blocks = [
        _about(found),
        _list("Intended use", INTENDED),
        _list("Out of scope", OUT_OF_SCOPE),
        _list("Known failures", FAILURES),
        f"<h3>Data</h3>\n<p>{html.escape(DATA)}</p>",
        f"<h3>For those who look at the data</h3>\n<p>{html.escape(WELLBEING)}</p>",
    ]
    return Section("model_card", "Model card: RAW-N-COOK heads", "", blocks)


def facts(found: Findings) -> Mapping[str, str]:
    """Parameters, seeds and scores of RAW-N-COOK, as text."""
    mine = found.runs[(found.runs["system"] == OURS) & (found.runs["variant"] == "")]
    said = {"trained parameters of a head": tables.count(mine["parameters"].iloc[0]),
            "seeds": str(mine["seed"].nunique())}  # fmt: skip
    for ratio in found.ratios:
        row = found.row(Key(OURS, "", ratio), ("task_b", "auc"))
        for name in ("task_b", "auc"):
            text = tables.interval(row[name], row[f"{name}_low"], row[f"{name}_high"], 3)
            what = "task B at .5" if name == MEASURES[0] else "macro AUC"
            said[f"{what}, {100 * ratio:g} % labels"] = text
    return said


def _about(found: Findings) -> str:
    rows = "".join(f"<tr><td>{html.escape(name)}</td><td>{html.escape(value)}</td></tr>"
                   for name, value in facts(found).items())  # fmt: skip
    mark = " (sample corpus)" if found.sample else ""
    lead = (
        "Small classification heads on frozen CLIP features and on codes of two auto-encoders; "
        f"outputs: four types of misogyny, or five with misogynous in front. Measured{mark}:"
    )
    return f"<p>{lead}</p>\n<table><tbody>{rows}</tbody></table>"


def _list(title: str, items: Sequence[str]) -> str:
    points = "".join(f"<li>{html.escape(item)}</li>" for item in items)
    return f"<h3>{html.escape(title)}</h3>\n<ul>{points}</ul>"


def _code(text: str) -> str:
    """Escaped text whose `names` are set as code."""
    parts = html.escape(text).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts))
