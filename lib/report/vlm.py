"""The page of the vision-language study, from the files of notebook 06 alone.

What a run took in seconds and memory differs each time and is in the notebook, not in these files.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from transformers import MllamaConfig

from lib import paths, tables
from lib.fnd import STORY
from lib.fnd.findings import claims
from lib.report import html as shell
from lib.report.headline import Headline, judged, limits, listed
from lib.report.origin import MADE_UP, Origin
from lib.report.writer import Writer
from lib.vlm import MODES, UNTRAINED
from lib.vlm.estimate import A100, RECIPES, ROWS, TOKENS, compared
from lib.vlm.study import COSTS, FILES, HISTORIES, PREDICTIONS
from lib.vlm.study import findings as study

PAGE = "vlm.html"
DEFECTS = (
    "The loss counts the whole prompt, of which the answer is a few tokens.",
    "The target is a sentence where the prompt asks for one word.",
    "Training and evaluation have other prompts, another order and another form of answer.",
    "The evaluation searches the decoded prompt for the answer, which it contains: always Likely.",
    "Answers that do not parse are left out of the denominator.",
    "Answers are sampled at a temperature of .7.",
    "Adapters are merged into 4-bit weights.",
    "One article a pass, and a path that runs without the processor.",
    "The training set is balanced on another label than the one that is scored.",
    "There is no probability, so neither AUC nor calibration.",
)


@dataclass(frozen=True)
class Found:
    """The files of one run; `sample`: of a sample corpus."""

    predictions: pd.DataFrame
    histories: pd.DataFrame
    costs: pd.DataFrame
    sample: bool
    bootstrap: int

    @property
    def untrained(self) -> bool:
        """Whether no model of the run started from trained weights."""
        return set(self.costs["remark"]) == {UNTRAINED}


def load(predictions: str, fnd: str, sample: bool, bootstrap: int) -> Found:
    """Return the study in folder `predictions`, "" = a made-up one; `fnd`: notebook 02's, or ""."""
    if not predictions:
        return Found(**made_up(), sample=True, bootstrap=bootstrap)
    folder = paths.resolve(predictions)
    read = {name: pd.read_parquet(folder / f"{name}.parquet") for name in FILES}
    other = paths.resolve(fnd) if fnd else None
    read["predictions"] = study.beside(read["predictions"], other)
    return Found(**read, sample=sample, bootstrap=bootstrap)


def made_up(articles: int = 40) -> dict[str, pd.DataFrame]:
    """Return files of a run that never was: two systems with random scores, for a smoke page."""
    rng, systems = np.random.default_rng(0), (MODES[0], "ours")
    rows = [
        (f"a{i}", f"a{i}", split, STORY, f"tiny_{mode}", "", 0, i % 2, rng.random())
        for mode in systems
        for split in ("validation", "test")
        for i in range(articles)
    ]
    losses = [("tiny_ours", 0, i, 10 * (i + 1), 3 / (i + 1), 3.2 / (i + 1)) for i in range(4)]
    costs = [
        (f"tiny_{mode}", "tiny", mode, 0, UNTRAINED, 500_000, 4096 * (mode == "ours"), 80)
        for mode in systems
    ]
    return {
        "predictions": pd.DataFrame(rows, columns=PREDICTIONS),
        "histories": pd.DataFrame(losses, columns=HISTORIES),
        "costs": pd.DataFrame(costs, columns=COSTS),
    }


def write_vlm(found: Found, out: Path, origin: Origin = MADE_UP) -> dict[str, Headline]:
    """Write vlm.html with its tables and figures into `out`; returns the headline."""
    writer = Writer(out, found.sample, origin)
    rough = compared(MllamaConfig(), RECIPES, ROWS, TOKENS)
    parts = [_systems(found, writer), _losses(found, writer), _estimate(rough, writer),
             _published(writer), _limits()]  # fmt: skip
    head = headline(found, rough)
    opening = _opening(found, head.numbers)
    links = [("Biased news", "fnd.html"), ("Notebook", "notebooks/06_vlm_qlora.html")]
    return writer.page(PAGE, "A vision-language model", opening, parts, links, {PAGE: head})


def headline(found: Found, rough: pd.DataFrame) -> Headline:
    """What the front page says of the study; rough: the estimate of its cost."""
    rows = _tuned(found)
    if found.untrained:
        names = found.costs["model"].unique().tolist()
        sentence = f"{listed(names)} start from random weights: the code runs, no score counts."
    elif rows.empty:
        sentence = "No model was both tuned and only asked."
    else:
        parts = [f"{limits(row)} ({row['model']}, {row['mode']})" for _, row in rows.iterrows()]
        sentence = f"Tuning changes the AUC of the same model only asked by {listed(parts)}."
    claim = "A model tuned by adapters tells biased news better than the same model only asked."
    verdicts = rows.apply(claims.verdict, axis=1) if len(rows) else ()
    verdict = judged(verdicts, claims)
    return Headline(_numbers(found, rough), claim, sentence, verdict, "vlm_losses")


def _tuned(found: Found) -> pd.DataFrame:
    """What tuning adds to each model that starts from trained weights (`study.gains`)."""
    costs = found.costs[found.costs["remark"] != UNTRAINED]
    rows = study.gains(study.build(found.predictions, found.bootstrap), costs)
    asked = [mode.replace("_", "-") for mode in MODES]
    return rows[~rows["mode"].isin(asked)] if len(rows) else rows


def _numbers(found: Found, rough: pd.DataFrame) -> list[tuple[str, str]]:
    """Headline numbers: (number, what it is); no score of a model that starts untrained."""
    published = rough.loc["published", "nf4"]
    head = [
        (f"{published['peak_gb']:.0f} GB", "estimated peak memory of the published recipe, nf4"),
        (f"{published['hours']:.1f} h", f"estimated hours of one {A100.name} for it"),
        (str(len(DEFECTS)), "defects of the published scripts, a regression test each"),
    ]
    if not found.untrained:
        rows = study.table(study.build(found.predictions, found.bootstrap), found.costs)
        best = rows[rows["remark"] == ""].sort_values("auc").iloc[-1]
        value = tables.interval(best["auc"], best["auc_low"], best["auc_high"])
        head.insert(0, (value, f"AUC of {best['model']}, {best['mode'] or 'as in notebook 02'}"))
    return head


def _opening(found: Found, numbers: Sequence[tuple[str, str]]) -> str:
    """Title, question, headline numbers."""
    mark = f" {shell.SAMPLE}" if found.sample else ""
    note = (
        "<p><b>Code path only.</b> The models of this page are tiny ones of the same classes with "
        "random weights: every line that a large model runs was run, and no score says anything "
        "about the method. They are in no ranking.</p>\n"
        if found.untrained
        else ""
    )
    return (
        f"<h1>Can a vision-language model tell biased news?{mark}</h1>\n"
        '<p class="lead">A large model that reads texts and pictures is asked whether an article '
        "is likely biased, sees a few examples, and is tuned by low-rank adapters on a 4-bit "
        "base.</p>\n<p>After the Llama-3.2-Vision study of VLDBench, with its scripts put right."
        f"</p>\n{note}" + shell.numbers(numbers)
    )


def _systems(found: Found, writer: Writer) -> shell.Section:
    board = study.build(found.predictions, found.bootstrap)
    table = study.table(board, found.costs).drop(columns="system")
    blocks = [writer.table(table, "vlm_systems", "Every model and mode on the test articles",
                           {"trainable": tables.count})]  # fmt: skip
    gains = study.gains(board, found.costs)
    if len(gains):
        formats = dict.fromkeys(("p", "p_holm"), tables.p_value)
        caption = "AUC minus that of the same model asked without examples, paired, Holm"
        blocks.append(writer.table(gains, "vlm_gains", caption, formats))
    lead = (
        "The score is the probability of one answer against the other from one forward pass, so "
        "that AUC, a threshold tuned on validation articles and a calibration exist. Intervals are "
        "95 %; stories are resampled whole."
    )
    return shell.Section("systems", "Asked, shown, tuned", lead, blocks)


def _losses(found: Found, writer: Writer) -> shell.Section:
    systems = found.histories["system"].unique().tolist()
    blocks = []
    if systems:
        caption = "Loss of tuning on training and validation articles, a line a seed"
        fig = study.losses(found.histories, systems)
        blocks.append(writer.figure(fig, "vlm_losses", caption, found.histories))
    lead = "Cross-entropy of the answer and the end of its turn alone; the prompt is not learnt."
    return shell.Section("losses", "Does the loss fall?", lead, blocks)


def _estimate(rough: pd.DataFrame, writer: Writer) -> shell.Section:
    counts = dict.fromkeys(("parameters", "trainable"), tables.count)
    formats = counts | dict.fromkeys([c for c in rough if c.endswith("gb") or c == "hours"], 1)
    caption = f"Llama-3.2-11B-Vision on {ROWS:,} articles of {TOKENS:,} tokens, one {A100.name}"
    made = writer.table(rough.reset_index(), "vlm_estimate", caption, formats, published=True,
                        source="lib/vlm/estimate.py")  # fmt: skip
    lead = (
        "An estimate from the configuration, not a measurement: weights, adapters with their "
        "gradients and moments, activations between checkpoints, and the operations of a run."
    )
    return shell.Section("estimate", "What the real thing takes", lead, [made])


def _published(writer: Writer) -> shell.Section:
    rows = dict.fromkeys(("accuracy", "f1"), 3)
    made = writer.table(study.published(), "vlm_published", "Published rows", rows, published=True)
    items = "".join(f"<li>{html.escape(text)}</li>" for text in DEFECTS)
    lead = "What the paper's scripts get wrong; tests/test_vlm.py fails if any of it comes back."
    return shell.Section("published", "Published rows and defects", lead,
                         [made, f'<ol type="a">{items}</ol>'])  # fmt: skip


def _limits() -> shell.Section:
    lead = (
        "The labels were given by language models, perhaps of the same family. Large models have "
        "read the web, so articles older than a model may be known to it. One wording of the "
        "prompt is tried. The estimate leaves out the vision tower's own tokens and loading."
    )
    return shell.Section("limits", "Limits", lead)
