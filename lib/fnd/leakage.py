"""What could tell a model the answer without looking: a report on a pairs table before training.

A protocol is a way to split (see lib.data.manifests): `story` is column split, `outlet` column
split_outlet. All is read from the pairs table alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import rankdata
from sklearn.model_selection import GroupKFold

from lib.data.groups import WORD
from lib.data.manifests import PROTOCOLS
from lib.data.readers.fnd.outlets import names_outlet
from lib.stats import bootstrap_ci, wilson

COLUMNS = ["protocol", "check", "value", "low", "high", "baseline", "rows", "note"]
TEXTS = ("text", "body")  # columns compared; body where the table has it
BLOCK = 1024  # test pictures compared at once


@dataclass(frozen=True)
class Leakage:
    """Section `leakage` of the study's settings."""

    folds: int = 5  # of the outlet-only classifier, whole groups
    smoothing: float = 5.0  # articles by which an outlet's share is drawn to that of all
    shingle: int = 8  # words in a row that are compared (GPT-3's report: 13, of web pages)
    contained: float = 0.5  # share of a test text's shingles in one training text that is overlap
    hash_distance: int = 6  # bits of 64 in which near-duplicate pictures may differ
    bootstrap: int = 1000  # resamples behind an interval

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        if self.folds < 2:
            raise ValueError(f"folds: must be at least 2, got {self.folds}")
        if self.smoothing < 0:
            raise ValueError(f"smoothing: must be 0 or more, got {self.smoothing}")
        if self.shingle < 1 or self.bootstrap < 1:
            raise ValueError("shingle, bootstrap: must be at least 1")
        if not 0 < self.contained <= 1:
            raise ValueError(f"contained: must be in (0, 1], got {self.contained}")
        if not 0 <= self.hash_distance <= 64:
            raise ValueError(f"hash_distance: must be in 0..64 bits, got {self.hash_distance}")


def report(pairs: pd.DataFrame, settings: Leakage = Leakage(), seed: int = 0) -> pd.DataFrame:
    """All checks on a pairs table with column `label` (1, 0): one row a check and protocol.

    Columns COLUMNS: protocol (`all` where splits play no part); value with 95 % limits (NaN where
    it is a plain count); baseline, what a table without this leak would give; rows it is about.
    """
    rows = [*outlet_only(pairs, settings, seed), outlets_named(pairs)]
    for protocol, column in PROTOCOLS.items():
        if column in pairs.columns:
            split = pairs[column]
            found = [crossing(pairs, split)]
            found += [overlap(pairs, split, c, settings) for c in TEXTS if c in pairs.columns]
            found += [repeated_pictures(pairs, split, settings), known_outlets(pairs, split)]
            rows += [{"protocol": protocol} | row for row in found]
    return pd.DataFrame(rows)[COLUMNS]


def outlet_only(pairs: pd.DataFrame, settings: Leakage, seed: int) -> list[dict]:
    """A classifier that knows the outlet alone, cross-validated by group: accuracy and AUC.

    Its score is the outlet's share of label 1 in the other folds, drawn to the share of all by
    `smoothing` articles.
    """
    label, score = pairs["label"].to_numpy(), outlet_scores(pairs, settings, seed)
    groups = pairs["group"].to_numpy()
    hits = ((score > 0.5) == label).astype(float)
    ways = {
        "outlet-only accuracy": (hits, None, max(label.mean(), 1 - label.mean())),
        "outlet-only AUC": (np.column_stack([label, score]), _auc, 0.5),
    }
    note = f"a classifier of the outlet's name, {settings.folds} folds of whole groups"
    rows = []
    for check, (values, statistic, baseline) in ways.items():
        made = bootstrap_ci(values, statistic, groups, settings.bootstrap, seed)
        row = {"protocol": "all", "check": check, "value": made.value, "low": made.low}
        rows.append(row | {"high": made.high, "baseline": baseline, "rows": len(pairs),
                           "note": note})  # fmt: skip
    return rows


def outlet_scores(pairs: pd.DataFrame, settings: Leakage, seed: int) -> np.ndarray:
    """Score (n,) of each row from its outlet's rows in the other folds; no fold cuts a group."""
    label, outlet = pairs["label"].to_numpy(float), pairs["source"].to_numpy()
    folds = GroupKFold(settings.folds, shuffle=True, random_state=seed)
    scores = np.empty(len(pairs))
    for train, test in folds.split(pairs, groups=pairs["group"]):
        prior = label[train].mean()
        known = pd.DataFrame({"outlet": outlet[train], "label": label[train]})
        sums = known.groupby("outlet")["label"].agg(["sum", "size"])
        share = (sums["sum"] + settings.smoothing * prior) / (sums["size"] + settings.smoothing)
        scores[test] = pd.Series(outlet[test]).map(share).fillna(prior).to_numpy()
    return scores


def _auc(rows: np.ndarray) -> float:
    """AUC of rows (label, score); NaN for a resample of one class."""
    positive = rows[:, 0] == 1
    count, others = int(positive.sum()), int((~positive).sum())
    if not count or not others:
        return np.nan
    ranks = rankdata(rows[:, 1])[positive].sum()  # Mann and Whitney's U, ties halved
    return float((ranks - count * (count + 1) / 2) / (count * others))


def outlets_named(pairs: pd.DataFrame) -> dict:
    """Share of texts that end or begin with the outlet's own name, which then tells the outlet."""
    bodies = pairs["body"] if "body" in pairs.columns else pd.Series("", index=pairs.index)
    named = [
        names_outlet(text, body, outlet)
        for text, body, outlet in zip(pairs["text"], bodies, pairs["source"], strict=True)
    ]
    return {"protocol": "all", "check": "texts signed by their outlet"} | _share(
        sum(named), len(pairs), "headlines that end, or articles that begin, with its name"
    )


def crossing(pairs: pd.DataFrame, split: pd.Series) -> dict:
    """Share of test rows whose group also has rows in another split."""
    test, other = split == "test", ~split.isin(["test", ""])
    groups = set(pairs.loc[test, "group"]) & set(pairs.loc[other, "group"])
    rows = int((test & pairs["group"].isin(groups)).sum())
    note = f"{len(groups)} groups of near-duplicates with rows on both sides"
    return {"check": "test rows in crossing groups"} | _share(rows, int(test.sum()), note)


def known_outlets(pairs: pd.DataFrame, split: pd.Series) -> dict:
    """Share of test rows whose outlet also has training rows."""
    test, train = split == "test", split == "train"
    known = pairs["source"].isin(set(pairs.loc[train, "source"]) - {""})
    return {"check": "test rows of known outlets"} | _share(
        int((test & known).sum()), int(test.sum()), "a model may know their outlet from training"
    )


def overlap(pairs: pd.DataFrame, split: pd.Series, column: str, settings: Leakage) -> dict:
    """Share of test texts of which one training text contains `contained` of the shingles.

    Texts shorter than a shingle count as one shingle.
    """
    test, train = (pairs.loc[split == name, column].tolist() for name in ("test", "train"))
    most = containment(test, train, settings.shingle)
    note = f"at least {settings.contained:.0%} of their {settings.shingle}-grams in one of training"
    return {"check": f"test {column} repeated in training"} | _share(
        int((most >= settings.contained).sum()), len(test), note
    )


def containment(texts: Sequence[str], others: Sequence[str], n: int) -> np.ndarray:
    """Largest share (len(texts),) of each text's n-grams of words that one of `others` contains.

    Words without case and punctuation (Broder 1997); 0 for a text without words.
    """
    codes: dict[str, int] = {}
    where: dict[int, list[int]] = {}
    for place, text in enumerate(others):
        for gram in _shingles(text, n):
            where.setdefault(codes.setdefault(gram, len(codes)), []).append(place)
    most = np.zeros(len(texts))
    for row, text in enumerate(texts):
        grams = _shingles(text, n)
        found = [where[codes[gram]] for gram in grams if gram in codes]
        if found:
            most[row] = np.bincount(np.concatenate(found)).max() / len(grams)
    return most


def _shingles(text: str, n: int) -> set[str]:
    words = WORD.findall(text.casefold())
    if not words:
        return set()
    return {" ".join(words[at : at + n]) for at in range(max(1, len(words) - n + 1))}


def repeated_pictures(pairs: pd.DataFrame, split: pd.Series, settings: Leakage) -> dict:
    """Share of test pictures that a training picture repeats, by perceptual hash."""
    known = pairs["phash"] != ""
    test, train = (
        _hashes(pairs.loc[known & (split == name), "phash"]) for name in ("test", "train")
    )
    repeated = sum(int(near.sum()) for near in _near(test, train, settings.hash_distance))
    note = f"a training picture within {settings.hash_distance} of 64 bits"
    return {"check": "test pictures repeated in training"} | _share(repeated, len(test), note)


def _hashes(values: pd.Series) -> np.ndarray:
    return np.array([int(value, 16) for value in values], dtype=np.uint64)


def _near(test: np.ndarray, train: np.ndarray, distance: int) -> Iterator[np.ndarray]:
    """Whether each test hash has a training hash within a distance, a block at a time."""
    for start in range(0, len(test) if len(train) else 0, BLOCK):
        bits = np.bitwise_count(test[start : start + BLOCK, None] ^ train[None, :])
        yield (bits <= distance).any(axis=1)


def _share(count: int, rows: int, note: str) -> dict:
    """Value, limits, baseline, rows and note of a share that should be zero."""
    made = wilson(count, rows)
    return {"value": made.value, "low": made.low, "high": made.high, "baseline": 0.0,
            "rows": rows, "note": note}  # fmt: skip
