"""Card: what was planted in the NMB+ sample, counted, and the most that any evidence allows.

The best rule that sees some evidence alone answers, for each distinct evidence, with its more
frequent label among the very rows that it is measured on: a bound from above. Who knows everything
answers by the probability that the label was drawn from.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score

from lib.sample import corpora
from lib.sample.corpora import planted
from lib.sample.nmb import effects, texts
from lib.sample.nmb.articles import DUPLICATE, REPOST, Article, Settings
from lib.sample.nmb.pictures import CUES
from lib.sample.upload import BROKEN, MISSING, ODD

VERSION = 1
TRUTH_FILE = "truth.csv"
LICENCES = corpora.LICENCES | {
    "articles": "written for this project; nobody and nothing named exists"
}
# Evidence -> columns of the truth that it shows.
EVIDENCE = {
    "rhetoric": ["rhetoric"],
    "picture": ["look"],
    "rhetoric_and_picture": ["rhetoric", "look"],
    "mismatch": ["mismatch"],
    "mismatch_rhetoric_picture": ["mismatch", "rhetoric", "look"],
    "outlet": ["outlet"],
}
VALUES = {
    "mismatch": {0: "fits", 1: "mismatch"},
    "rhetoric": {0: "none", 1: "some", 2: "much"},
    "look": {0: "plain", 1: "dramatic"},
}
NOTE = (
    "of the best rule that sees this evidence alone, on these rows; text and picture stand for all "
    "that was planted in either; mismatch lies in neither alone"
)
NOTES = {
    "mismatch": "the picture belongs to another story; which subjects are shown does not tell",
    "rhetoric": "loaded sentences, and a frame around the headline; 0 none, 1 some, 2 much",
    "look": "what the picture's editor did: see cues",
    "slant": "of the outlet, -1 sober to 1 loud; shifts all of these and, a little, the label",
    "drift": "logit added from the first to the last day",
}


def ceilings(truth: pd.DataFrame) -> pd.DataFrame:
    """Return the best that each evidence allows on rows of the truth.

    Columns: evidence, accuracy, auc, f1 (of label 1, by the rule of best accuracy), rows. AUC is
    that of the share of label 1 among equal evidence.
    """
    label = truth["label"].to_numpy()
    scores = {"everything": truth["probability"].to_numpy()}
    for name, columns in EVIDENCE.items():
        scores[name] = truth.groupby(columns)["label"].transform("mean").to_numpy()
    share = float(label.mean())
    scores["majority"] = np.full(len(label), share)
    rows = [_scored(name, label, score, score > 0.5) for name, score in scores.items()]
    always = np.ones(len(label), dtype=bool)
    rows.append(_scored("always_positive", label, scores["majority"], always))
    return pd.DataFrame(rows)


def _scored(name: str, label: np.ndarray, score: np.ndarray, said: np.ndarray) -> dict:
    hits = int((said & (label == 1)).sum())
    f1 = 2 * hits / max(1, int(said.sum()) + int(label.sum()))
    auc = float(roc_auc_score(label, score)) if 0 < label.sum() < len(label) else float("nan")
    accuracy = float((said == label).mean())
    return {"evidence": name, "accuracy": accuracy, "auc": auc, "f1": f1, "rows": len(label)}


def card(articles: Sequence[Article], truth: pd.DataFrame, settings: Settings) -> dict:
    """Return the data card."""
    return {
        "name": "NMB+ sample corpus (made, not collected)",
        "version": VERSION,
        "settings": corpora.recorded(settings),
        "articles": len(articles),
        "stories": int(truth["story"].nunique()),
        "likely": round(float(truth["label"].mean()), 4),
        "text_likely": round(float(truth["text_label"].mean()), 4),
        "likely_by_half_year": _by_half_year(articles),
        "planted": NOTES,
        "shares": {
            name: planted.shares([VALUES.get(name, {}).get(v, v) for v in truth[name]])
            for name in ("mismatch", "rhetoric", "look", "length", "tie")
        },
        "cues_of_dramatic_and_plain": {name: list(shares) for name, shares in CUES.items()},
        "text_likely_by_rhetoric": list(effects.SAID_BIASED),
        "longer_than_600_words": sum(len(a.body.split()) > 600 for a in articles),
        "late_rhetoric": int((truth["late"].eq(1) & truth["rhetoric"].gt(0)).sum()),
        "words_before_late_rhetoric": texts.HEAD,
        "ceilings": {"note": NOTE} | _bounds(truth),
        "reposts": _copies(articles, REPOST),
        "duplicates": _copies(articles, DUPLICATE),
        "unreadable_files": {a.id: a.file for a in articles if a.file in (*BROKEN, MISSING)},
        "odd_files": {a.id: a.file for a in articles if a.file in ODD},
        "licences": LICENCES,
    }  # fmt: skip


def _bounds(truth: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return score -> evidence -> the best it allows, of what is more than a repetition."""
    best = ceilings(truth).set_index("evidence").round(4)
    kept = {
        "accuracy": best.index.drop("always_positive"),
        "auc": best.index.drop(["always_positive", "majority"]),
        "f1": best.index.drop("majority"),
    }
    return {score: best.loc[names, score].to_dict() for score, names in kept.items()}


def _copies(articles: Sequence[Article], relation: str) -> dict[str, str]:
    return {a.id: a.origin for a in articles if a.relation == relation}


def _by_half_year(articles: Sequence[Article]) -> dict[str, float]:
    """Return the share of Likely by half-year, in order."""
    halves = [f"{a.date.year}-H{1 + (a.date.month > 6)}" for a in articles]
    shares = pd.Series([a.likely for a in articles]).groupby(halves).mean().round(4)
    return {str(half): float(share) for half, share in shares.items()}
