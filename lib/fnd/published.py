"""The numbers that the papers and cards of this study print, as data, and what follows from them.

A test set's share of positives (fake, or likely biased) is hardly ever printed, yet accuracy,
precision and recall fix it. With p the share, TP = R p, FP = R p (1/P - 1), FN = p (1 - R), so

    1 - accuracy = FN + FP = p [(1 - R) + R (1/P - 1)] .

Accuracy and F1 alone fix the true positives, TP = F1 (1 - accuracy) / (2 (1 - F1)), which bounds p
by TP from below and by TP + 1 - accuracy from above.
"""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

DATA = Path(__file__).with_name("data")
METRICS = ("accuracy", "precision", "recall", "f1")
DATASETS = {
    "nmb": "NMB+", "weibo": "Weibo", "politifact": "PolitiFact", "gossipcop": "GossipCop",
    "twitter": "Twitter (MediaEval)", "weibo21": "Weibo-21",
}  # fmt: skip


@cache
def _read(name: str) -> pd.DataFrame:
    return pd.read_csv(DATA / f"{name}.csv").fillna({"setting": "", "key": "", "recalled": ""})


def table() -> pd.DataFrame:
    """Return every printed row: dataset, system, setting, inputs, key, source, then its numbers.

    key: name of our counterpart in `lib.fnd.findings.COUNTERPARTS`, or ""; recalled: what was
    taken from memory of the literature and not checked against its print.
    """
    return _read("published").copy()


def splits() -> pd.DataFrame:
    """Return class counts of the published splits: dataset, split, positive, negative, source."""
    return _read("published_splits").copy()


def facts() -> dict[str, float]:
    """Return numbers printed outside the tables, by name."""
    found = _read("published_facts")
    return dict(zip(found["fact"], found["value"].astype(float), strict=True))


def implied_prevalence(accuracy: float, precision: float, recall: float) -> float:
    """Return the share of positives that three printed metrics fix; NaN for perfect scores."""
    errors = (1 - recall) + recall * (1 / precision - 1)
    return (1 - accuracy) / errors if errors > 0 else math.nan


def true_positives(accuracy: float, f1: float) -> float:
    """Return the true positives as a share of all rows that accuracy and F1 imply."""
    return f1 * (1 - accuracy) / (2 * (1 - f1))


def always_positive_f1(prevalence: float) -> float:
    """Return the F1 of calling everything positive: 2p / (1 + p)."""
    return 2 * prevalence / (1 + prevalence)


def prevalences() -> dict[str, float]:
    """Return the share of positives in each published test set whose class counts are known."""
    tests = splits().query("split == 'test'").set_index("dataset")
    return (tests["positive"] / (tests["positive"] + tests["negative"])).to_dict()


def checked() -> pd.DataFrame:
    """Return `table()` with the share of positives and what trivial rules get on it.

    Adds f1_recomputed (2PR / (P + R)), prevalence, prevalence_from (counts, or metrics), majority
    (accuracy), always_positive (F1); NaN where the print does not tell.
    """
    rows = table()
    p, r = rows["precision"], rows["recall"]
    rows["f1_recomputed"] = 2 * p * r / (p + r)
    implied = [
        implied_prevalence(*values)
        for values in rows[["accuracy", "precision", "recall"]].itertuples(index=False)
    ]
    known = rows["dataset"].map(prevalences())
    subset = rows["setting"].str.startswith("posts whose")  # counted on another test set
    known = known.mask(subset)
    rows["prevalence"] = known.fillna(pd.Series(implied, index=rows.index))
    source = np.where(known.notna(), "counts", "metrics")
    rows["prevalence_from"] = np.where(rows["prevalence"].notna(), source, "")
    rows["majority"] = np.maximum(rows["prevalence"], 1 - rows["prevalence"])
    rows["always_positive"] = always_positive_f1(rows["prevalence"])
    return rows


def inconsistencies() -> pd.DataFrame:
    """Return what does not add up in print: where, claim, printed, recomputed, verdict."""
    rows = [*_about_nmb(), *_about_weibo(), *_about_fakenewsnet()]
    return pd.DataFrame(rows, columns=["where", "claim", "printed", "recomputed", "verdict"])


def _one(**where: str) -> pd.Series:
    """Return the one checked row with these values."""
    rows = checked()
    for column, value in where.items():
        rows = rows[rows[column] == value]
    if len(rows) != 1:
        raise ValueError(f"published: {len(rows)} rows with {where}, not 1")
    return rows.iloc[0]


def _about_nmb() -> list[tuple[str, str, str, str, str]]:
    said = facts()
    card = _one(source="model card", key="nmb_teacher")
    small = checked().query("dataset == 'nmb' and setting == 'fine-tuned' and precision.notna()")
    shares = ", ".join(f"{value:.2f}" for value in small["prevalence"])
    llama = _one(system="Llama-3.2-11B-Vision", setting="instruction-tuned")
    mistral = _one(system="Mistral-7B")
    needed = true_positives(mistral["accuracy"], mistral["f1"])
    heads = _one(system="BERT on headlines")
    shown = said["fairly_example"]
    logit = math.log(shown / (1 - shown))
    public = said["vldbench_multimodal_likely"] / said["vldbench_articles"]
    return [
        ("NMB+ model card", "the classifier with CLIP as teacher works, by its F1",
         f"F1 {card['f1']:.3f}, accuracy {card['accuracy']:.3f}",
         f"{card['prevalence']:.1%} of its test articles are Likely (public sample: {public:.1%}); "
         f"always-Likely has F1 {card['always_positive']:.3f}, majority accuracy "
         f"{card['majority']:.3f}",
         "its F1 is below that of calling everything Likely"),
        ("NMB+ benchmark page", "four multimodal systems on one test set",
         f"{len(small)} rows of accuracy, precision, recall",
         f"shares of positives that they imply: {shares}",
         "no one test set has them all; the rows cannot be compared"),
        ("NMB+ benchmark page", "F1 of the tuned Llama-3.2-Vision", f"{llama['f1']:.3f}",
         f"{llama['f1_recomputed']:.3f} from its precision and recall", "does not follow"),
        ("NMB+ benchmark page", "accuracy and F1 of the tuned Mistral-7B",
         f"accuracy {mistral['accuracy']:.3f}, F1 {mistral['f1']:.3f}",
         f"needs true positives of {needed:.1%} of all rows, more than are right at all",
         "impossible as metrics of one class"),
        ("NMB+ text model cards", "share Likely", f"{said['card_text_likely']:.1%}",
         f"{heads['prevalence']:.1%} by the metrics; always-Likely then has F1 "
         f"{heads['always_positive']:.3f} against {heads['f1']:.3f}",
         "the cards' share is not that of their test set; little is gained over a trivial rule"),
        ("Fair-ly example", "an article is Biased", f"probability {shown:.4f}",
         f"a sigmoid applied twice: the model's own output was {logit:.4f}",
         "the model had called it unbiased; so shown, every article is Biased"),
    ]  # fmt: skip


def other_class(
    positive: int, negative: int, precision: float, recall: float
) -> tuple[float, float]:
    """Return precision and recall of the other class, from one class's and the class counts."""
    found = recall * positive
    false = found * (1 / precision - 1)
    right = negative - false
    return right / (right + positive - found), right / negative


def _about_weibo() -> list[tuple[str, str, str, str, str]]:
    counts = splits().query("split == 'test'").set_index("dataset").loc["weibo"]
    row = _one(dataset="weibo", system="FND-CLIP")
    p, r = other_class(counts["positive"], counts["negative"], row["precision"], row["recall"])
    own = _one(dataset="weibo", source="SpotFake paper")
    quoted = _one(dataset="weibo", system="SpotFake", source="MIMoE-FND table 1")
    needed = true_positives(quoted["accuracy"], quoted["f1"])
    least = true_positives(own["accuracy"], own["f1"])
    return [
        ("FND-CLIP paper, Weibo", "precision and recall of the real class",
         f"{row['real_precision']:.3f} and {row['real_recall']:.3f}, as of the fake class",
         f"{p:.3f} and {r:.3f} follow from the fake class and {counts['negative']} real posts",
         "both classes cannot have the same two numbers in this order"),
        ("SpotFake paper, Weibo", "accuracy and F1 beside other papers'",
         f"accuracy {own['accuracy']:.3f}, F1 {own['f1']:.3f} fake and {own['real_f1']:.3f} real",
         f"at least {least:.0%} of its test posts are fake; always-fake has F1 "
         f"{always_positive_f1(least):.3f} or more",
         "another test set than the balanced one: posts without a found picture were dropped"),
        ("MIMoE-FND table 1, Weibo", "SpotFake in one column with balanced results",
         f"accuracy {quoted['accuracy']:.3f}, F1 {quoted['f1']:.3f}",
         f"needs true positives of {needed:.0%} of all rows; {quoted['prevalence']:.0%} are fake",
         "impossible on that test set"),
    ]  # fmt: skip


def _about_fakenewsnet() -> list[tuple[str, str, str, str, str]]:
    said, rows = facts(), checked().query("source == 'SpotFake+ table 2'")
    out = []
    for name in ("politifact", "gossipcop"):
        mine = rows[rows["dataset"] == name].set_index("system")
        majority = mine["majority"].iloc[0]
        same = [system for system, value in mine["accuracy"].items() if value == round(majority, 3)]
        out.append((f"SpotFake+ table 2, {DATASETS[name]}", "accuracy of " + " and ".join(same),
                    f"{mine.loc[same[0], 'accuracy']:.3f}",
                    f"{majority:.3f} is always-real", "no better than always-real"))  # fmt: skip
    gossip = rows[rows["dataset"] == "gossipcop"].set_index("system")["accuracy"]
    hits = said["spotfake_plus_true_fake"], said["spotfake_plus_true_real"]
    wrong = said["spotfake_plus_false_real"], said["spotfake_plus_false_fake"]
    printed = rows.query("dataset == 'politifact' and system == 'SpotFake+'")["accuracy"].iloc[0]
    out += [
        ("SpotFake+ table 2, GossipCop", "SpotFake+ is the best",
         f"SpotFake+ {gossip['SpotFake+']:.3f}, {gossip.idxmax()} {gossip.max():.3f}",
         "the table's own largest value", "contradicted by the table"),
        ("SpotFake+, PolitiFact", "confusion matrix and accuracy", f"{printed:.3f}",
         f"{sum(hits) / (sum(hits) + sum(wrong)):.3f}", "consistent"),
    ]  # fmt: skip
    return out
