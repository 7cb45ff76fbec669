"""What a card says of posts judged as a whole: labels by outlet and by category, articles' lengths.

Only for data sets whose `source` is an outlet and whose label is one yes or no (column `label`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from lib.stats import wilson

NAMES = {"source": "outlet", "categories": "category"}  # column -> what its values are
COLUMNS = ["by", "name", "posts", "positive", "share", "low", "high"]
LEAST = 10  # posts of a slice that is shown


def by_slice(pairs: pd.DataFrame) -> pd.DataFrame:
    """Posts and share of label 1 by outlet and by category, most posts first; columns COLUMNS.

    An article counts in each of its categories. Limits are Wilson's, 95 %. Empty for data sets
    without outlets or without one yes/no label.
    """
    rows = []
    if "split_outlet" in pairs.columns:
        for column, kind in NAMES.items():
            if column in pairs.columns:
                rows += _by(pairs["label"], pairs[column].str.split("|"), kind)
    return pd.DataFrame(rows, columns=COLUMNS)


def _by(label: pd.Series, names: pd.Series, kind: str) -> list[tuple]:
    table = pd.DataFrame({"name": names, "label": label}).explode("name")
    counts = table[table["name"] != ""].groupby("name")["label"].agg(["size", "sum"])
    counts = counts.sort_values("size", ascending=False, kind="stable")
    return [
        (kind, name, int(row["size"]), int(row["sum"]), *wilson(int(row["sum"]), int(row["size"])))
        for name, row in counts.iterrows()
    ]


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The slices of LEAST posts or more, as a table for a reader: by, name, posts, share."""
    columns = ["by", "name", "posts", "share", "low", "high"]
    return table.loc[table["posts"] >= LEAST, columns].reset_index(drop=True)


def article_facts(pairs: pd.DataFrame) -> dict[str, Any]:
    """What the card says of articles as a whole; empty for other posts.

    positive: name, posts and share of label 1; text_positive: share among the judged texts, where
    the text alone was judged too; body_words: median, most, and posts above 600 words.
    """
    facts: dict[str, Any] = {}
    if {"label", "label_name"} <= set(pairs.columns):
        positive = pairs[pairs["label"] == 1]
        name = " or ".join(sorted(positive["label_name"].unique()))
        facts["positive"] = {"name": name, "posts": len(positive),
                             "share": float(pairs["label"].mean())}  # fmt: skip
    if "text_label" in pairs.columns:
        judged = pairs.loc[pairs["text_label"] >= 0, "text_label"]
        facts["text_positive"] = {"posts": len(judged), "share": float(judged.mean())}
    if "body" in pairs.columns and (pairs["body"] != "").any():
        words = pairs["body"].str.split().str.len()
        facts["body_words"] = {"median": float(words.median()), "most": int(words.max()),
                               "above_600": int((words > 600).sum())}  # fmt: skip
    return facts


def fact_rows(facts: Mapping[str, Any]) -> dict[str, str]:
    """The facts of articles as rows of the card's table: property -> value."""
    rows = {}
    if one := facts.get("positive"):
        rows["label 1"] = f"{one['name']}: {one['posts']:,} ({one['share']:.0%})"
    if one := facts.get("text_positive"):
        rows["label 1 by the text alone"] = f"{one['share']:.0%} of {one['posts']:,} judged texts"
    if one := facts.get("body_words"):
        rows["words in an article"] = (
            f"median {one['median']:g}, longest {one['most']:,}, {one['above_600']:,} above 600"
        )
    return rows
