"""The data card: what is in a data set, as numbers that a later stage draws and prints again."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from lib import paths, tables
from lib.data.card.counts import by_value, group_sizes, histogram, sizes
from lib.data.card.slices import article_facts, by_slice, fact_rows
from lib.data.groups import Grouping, GroupSettings, assign_groups
from lib.data.readers import DatasetSettings, Reading
from lib.data.splits import crossing_groups, spans
from lib.schema import SPLITS, label_columns

SPLIT_NAMES = {"": "no split"}
UNLABELLED = "not labelled"
COPIES = ["reposts", "duplicates", "repeated_pictures"]  # what a sample corpus may plant
LISTED = 8  # entries of a mapping in a sample corpus's card that are shown one by one


def build_card(
    dataset: str, root: Path, reading: Reading, grouping: Grouping, settings: DatasetSettings
) -> dict[str, Any]:
    """All numbers of a data set's card, ready for JSON; `reading.pairs` has its final splits.

    A folder with a card.json of its own is a sample corpus: that card (licences, planted effects)
    is taken over under `corpus`.
    """
    pairs, facts, drops = reading
    corpus = read_corpus_card(root)
    words = pairs["text"].str.split().str.len()
    pictured = pairs["image"] != ""
    kind, counts = breakdown(pairs)
    groups = dict(grouping.report)
    groups["flat_pictures"] = groups.pop("without_hash") - int((~pictured).sum())
    return {
        "dataset": dataset,
        "root": paths.relative(root),
        "sample": corpus is not None,
        "posts": len(pairs),
        "dropped": int((drops.frame()["outcome"] == "dropped").sum()),
        "sources": by_value(pairs["source"]),
        "langs": by_value(pairs["lang"]),
        "dates": [min(dated), max(dated)] if (dated := [d for d in pairs["date"] if d]) else [],
        "splits": {s: int(n) for s in SPLITS if (n := (pairs["split"] == s).sum())},
        "spans": spans(pairs).to_dict("records"),
        "crossing": len(crossing_groups(pairs)),
        "kind": kind,
        "labels": counts.to_dict("records"),
        "articles": article_facts(pairs),
        "slices": by_slice(pairs).to_dict("records"),
        "words": histogram(words),
        "empty_texts": int((words == 0).sum()),
        "without_picture": int((~pictured).sum()),
        "sizes": sizes(facts[pictured.to_numpy()]),
        "encodings": by_value(facts["encoding"]),
        "groups": groups,
        "group_sizes": group_sizes(pairs["group"]),
        "drops": drops.summary().to_dict("records"),
        "split_seed": settings.seed,
        "hash_distance": settings.group.hash_distance,
        "corpus": corpus,
    }


def read_corpus_card(root: Path) -> dict[str, Any] | None:
    """The card.json that a sample corpus carries; None for a real data set."""
    file = root / "card.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def write_card(card: Mapping[str, Any], reading: Reading, folder: Path | str) -> dict[str, Path]:
    """Write card.json, card.csv (the data of the figure) and drops.csv; returns their paths."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / "card.json", json.dumps(card, indent=1, ensure_ascii=False) + "\n")
    _replace(folder / "card.csv", figure_data(card).to_csv(index=False, lineterminator="\n"))
    reading.drops.write(folder / "drops.csv")
    return {name: folder / name for name in ("card.json", "card.csv", "drops.csv")}


def read_card(folder: Path | str) -> dict[str, Any]:
    """The card that write_card left in a folder."""
    return json.loads((Path(folder) / "card.json").read_text(encoding="utf-8"))


def card_table(card: Mapping[str, Any]) -> pd.DataFrame:
    """The card's head as a table: property, value (text)."""
    groups, corpus = card["groups"], card["corpus"] or {}
    rows = {
        "read from": card["root"] + (" (sample corpus)" if card["sample"] else ""),
        "licence": corpus.get("licence")
        or corpus.get("licences")
        or "see the data set's own terms",
        "posts": tables.count(card["posts"]),
        "dropped": tables.count(card["dropped"]),
        "sources": _shares(card["sources"]),
        "languages": _shares(card["langs"]),
        "dates": " to ".join(day[:10] for day in card["dates"]) or "unknown",
        "splits": _shares({SPLIT_NAMES.get(k, k): v for k, v in card["splits"].items()}),
        "empty texts": tables.count(card["empty_texts"]),
        "text encodings": _shares(card["encodings"]),
        "groups": f"{tables.count(groups['groups'])}, largest {groups['largest']} posts",
        "posts in a group of two or more": tables.count(groups["grouped_posts"]),
        "plain pictures, left unhashed": tables.count(groups["flat_pictures"]),
        "posts with a generic text": tables.count(groups["generic_texts"]),
        "giant groups": tables.count(groups["giants"]),
    }
    extra = {
        "texts without a picture": card["without_picture"],
        "groups that cross official splits": card["crossing"],
    }
    rows |= {name: tables.count(n) for name, n in extra.items() if n} | fact_rows(card["articles"])
    return pd.DataFrame([(k, _plain(v)) for k, v in rows.items()], columns=["property", "value"])


def planted_table(card: Mapping[str, Any]) -> pd.DataFrame:
    """What a sample corpus says of itself: effect (dotted key), value; empty for real data."""
    rows = [(key, _plain(value)) for key, value in _flat(card["corpus"] or {})]
    return pd.DataFrame(rows, columns=["effect", "value"])


def planted_found(corpus: Mapping[str, Any] | None, reading: Reading) -> pd.DataFrame:
    """What a sample corpus planted and how much of it the data stage found: planted, found.

    Copies: pairs of posts that the corpus made alike, and those that share a group. Unreadable
    files: and those in the drop report. Odd files: and those that are in the table. Pictures and
    titles of test articles among external pairs: and those that are not in the table. Only posts
    that were read count as copies. Empty for real data.
    """
    corpus, group = corpus or {}, reading.pairs.set_index("id")["group"]
    frame = reading.drops.frame()
    dropped = set(frame.loc[frame["outcome"] == "dropped", "id"])
    rows = []
    for key in ("reposts", "duplicates"):
        if key in corpus:
            rows.append((key, *_sharing(corpus[key], group)))
    for key, there in (("unreadable_files", dropped), ("odd_files", set(group.index))):
        if ids := corpus.get(key, {}):
            rows.append((key, len(ids), sum(name in there for name in ids)))
    if "sets" in corpus:  # of news: picture -> (how, picture that it repeats), by set and split
        splits = [one.get(split, {}) for one in corpus["sets"].values() for split in SPLITS]
        twins = [split.get("repeated_pictures", {}) for split in splits]
        origin = {iid: first for found in twins for iid, (_, first) in found.items()}
        of_iid = reading.pairs.set_index("iid")["group"]
        rows.append(("repeated_pictures", *_sharing(origin, of_iid[of_iid.index != ""])))
    if overlap := set(corpus.get("test_overlap", {})) - {"note"}:
        kept = {Path(image).stem for image in reading.pairs["image"]}
        rows.append(("test_overlap", len(overlap), len(overlap - kept)))
    return pd.DataFrame(rows if corpus else [], columns=["effect", "planted", "found"])


def _sharing(copies: Mapping[str, str], group: pd.Series) -> tuple[int, int]:
    """How many copies were read, with their originals, and how many of them share a group."""
    read = [(a, b) for a, b in copies.items() if a in group and b in group]
    return len(read), sum(group[a] == group[b] for a, b in read)


def sweep_distance(
    reading: Reading, corpus: Mapping[str, Any] | None, settings: GroupSettings, bits: Sequence[int]
) -> pd.DataFrame:
    """What each hash distance joins, texts aside: distance, links, grouped posts, largest group.

    A sample corpus adds found: the share of its planted copies that share a group.
    """
    pairs, facts, _ = reading
    rows = []
    for distance in bits:
        chosen = replace(settings, hash_distance=distance)
        grouping = assign_groups(pairs["id"], facts["hash"], [""] * len(pairs), chosen)
        report = grouping.report
        row = {"distance": distance, "links": report["picture_links"]}
        row |= {"grouped_posts": report["grouped_posts"], "largest": report["largest"]}
        if corpus:
            trial = reading._replace(pairs=pairs.assign(group=grouping.group))
            found = planted_found(corpus, trial).set_index("effect").reindex(COPIES)
            if found["planted"].sum():
                row["found"] = found["found"].sum() / found["planted"].sum()
        rows.append(row)
    return pd.DataFrame(rows)


def label_counts(pairs: pd.DataFrame) -> pd.DataFrame:
    """Posts by label and split, long: label, split, count.

    One label column: its values. Several: each a yes/no label, counted where it is 1.
    """
    columns = label_columns(pairs)
    if len(columns) == 1:
        label = pairs[columns[0]].astype(str).replace("", UNLABELLED)
        long = pairs[["split"]].assign(label=label)
    else:
        parts = [pairs.loc[pairs[c] == 1, ["split"]].assign(label=c) for c in columns]
        long = pd.concat(parts) if parts else pairs[["split"]].assign(label=UNLABELLED)
    counts = long.value_counts(["label", "split"]).rename("count").reset_index()
    return counts.sort_values(["label", "split"], ignore_index=True)


def breakdown(pairs: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """What the posts are counted by, labels or sources, and the counts: label, split, count."""
    if label_columns(pairs):
        return "labels", label_counts(pairs)
    return "sources", label_counts(pairs[["split"]].assign(label=pairs["source"]))


def figure_data(card: Mapping[str, Any]) -> pd.DataFrame:
    """All that draw_card draws, long: panel, x, series, y."""
    rows = [("labels", r["label"], r["split"], r["count"]) for r in card["labels"]]
    rows += [("splits", split, "", n) for split, n in card["splits"].items()]
    for row in card["spans"]:
        name = f"{row['source']} {row['split']}".strip()
        rows += [(edge, name, row[edge], row["posts"]) for edge in ("first", "last") if row[edge]]
    for row in card["slices"]:
        rows += [(row["by"], row["name"], key, row[key]) for key in ("share", "low", "high")]
    edges, counts = card["words"]["edges"], card["words"]["counts"]
    rows += [("words", e, "", n) for e, n in zip(edges, counts, strict=False)]
    rows += [("sizes", r["width"], r["height"], r["count"]) for r in card["sizes"]]
    rows += [("groups", r["size"], "", r["groups"]) for r in card["group_sizes"]]
    rows += [("drops", r["reason"], r["outcome"], r["count"]) for r in card["drops"]]
    return pd.DataFrame(rows, columns=["panel", "x", "series", "y"])


def _shares(counts: Mapping[str, int], shown: int = 6) -> str:
    """Counts with their shares, as one line."""
    total = max(sum(counts.values()), 1)
    if len(counts) > shown:  # the most frequent are named
        counts = dict(sorted(counts.items(), key=lambda item: -item[1]))
    parts = [f"{k or 'unknown'} {n:,} ({n / total:.0%})" for k, n in list(counts.items())[:shown]]
    return ", ".join(parts) + (f", {len(counts) - shown} more" if len(counts) > shown else "")


def _flat(value: Any, key: str = "") -> list[tuple[str, Any]]:
    """Leaves of nested dictionaries with dotted keys; what is kept by post is only counted."""
    if isinstance(value, Mapping) and value and all(str(k).isdigit() for k in value):
        kinds = pd.Series([str(v) for v in value.values()]).value_counts().sort_index()
        many = kinds.index.str.isdigit().any() or len(kinds) > LISTED  # post -> post, or too many
        return [(key, f"{len(value)} posts" if many else kinds.to_dict())]
    if isinstance(value, Mapping) and key and len(value) > LISTED:
        return [(key, f"{len(set(value) - {'note'})} entries")]
    if not isinstance(value, Mapping):
        return [(key, value)]
    return [leaf for k, v in value.items() for leaf in _flat(v, f"{key}.{k}".lstrip("."))]


def _plain(value: Any) -> str:
    """A value of the card as one line of text."""
    if isinstance(value, Mapping):
        return "; ".join(f"{k}: {_plain(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(v) for v in value)
    return f"{value:.4g}" if isinstance(value, float) else " ".join(str(value).split())


def _replace(path: Path, text: str) -> None:
    """Write a file under a temporary name and move it into place."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
