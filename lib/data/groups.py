"""Near-duplicate groups: posts that share a picture or a text, which no split may part."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd

from lib.data.images import NO_HASH

WORD = re.compile(r"\w+")
GIANT_LEAST = 10  # posts; in a small corpus a handful of copies is no giant


@dataclass(frozen=True)
class GroupSettings:
    """What counts as a near duplicate."""

    hash_distance: int = 6  # bits of 64 in which two picture hashes may differ
    min_words: int = 8  # texts with fewer different words ("nyc") say nothing
    max_repeats: int = 5  # a text that more posts than this share is generic, not a duplicate
    giant_share: float = 0.02  # share of all posts above which a group is reported as giant

    def validate(self) -> None:
        """Raise ValueError, `key: why`, for a value out of range."""
        if not 0 <= self.hash_distance <= 10:
            raise ValueError("hash_distance: must be 0 to 10 bits")
        if self.min_words < 1:
            raise ValueError("min_words: must be at least 1")
        if self.max_repeats < 2:
            raise ValueError("max_repeats: must be at least 2")
        if not 0 < self.giant_share <= 1:
            raise ValueError("giant_share: must lie in (0, 1]")


@dataclass(frozen=True)
class Grouping:
    """Group of each post, and how the groups came about.

    `group` holds (n,) ids; `report` counts: posts, groups, grouped_posts, largest, picture_links,
    text_links (pairs that were joined), without_hash (no picture, or a plain one), generic_texts,
    giants.
    """

    group: np.ndarray
    report: dict[str, int]

    def giants(self, share: float) -> pd.Series:
        """Groups above this share of all posts, of GIANT_LEAST posts or more: id -> size."""
        sizes = pd.Series(self.group).value_counts()
        return sizes[(sizes > share * len(self.group)) & (sizes >= GIANT_LEAST)]


def assign_groups(
    ids: Sequence[str],
    hashes: Sequence[int],
    texts: Sequence[str],
    settings: GroupSettings = GroupSettings(),
) -> Grouping:
    """Group n posts by picture hash and by text; a group is named by its smallest member's id.

    Links are transitive: A ~ B and B ~ C put A and C into one group. The result does not depend on
    the order of the posts.
    """
    ids = np.asarray(ids, dtype=object)
    keys = np.asarray(hashes, dtype=np.int64).view(np.uint64)
    pictures = np.flatnonzero(keys != np.uint64(NO_HASH))
    picture_links = pictures[close_pairs(keys[pictures], settings.hash_distance)]
    text_links, generic = same_text_links(texts, settings.min_words, settings.max_repeats)
    roots = components(len(ids), np.concatenate([picture_links, text_links]))
    group = _smallest_member(ids, roots)
    sizes = pd.Series(group).value_counts()
    report = {
        "posts": len(ids),
        "groups": len(sizes),
        "grouped_posts": int(sizes[sizes > 1].sum()),
        "largest": int(sizes.max()) if len(sizes) else 0,
        "picture_links": len(picture_links),
        "text_links": len(text_links),
        "without_hash": len(keys) - len(pictures),
        "generic_texts": generic,
    }
    grouping = Grouping(group, report)
    report["giants"] = len(grouping.giants(settings.giant_share))
    return grouping


def close_pairs(hashes: np.ndarray, distance: int) -> np.ndarray:
    """Links (m, 2) that connect exactly what all pairs within a Hamming distance connect.

    `hashes` is (n,) uint64. Equal hashes are chained; different ones are found by pigeonhole: cut
    the 64 bits into distance + 2 bands; two hashes that differ in at most `distance` bits agree in
    at least two bands. So only posts that share two bands are compared, and none is missed
    (multi-index hashing, Norouzi et al. 2012, with two bands a key to keep buckets small).
    """
    values, inverse = np.unique(hashes, return_inverse=True)
    order = np.argsort(inverse, kind="stable")
    equal = inverse[order][1:] == inverse[order][:-1]
    chains = np.stack([order[:-1][equal], order[1:][equal]], axis=1)
    first = order[np.concatenate([[True], ~equal])] if len(order) else order
    if distance == 0 or len(values) < 2:
        return chains.astype(np.int64)
    cuts = np.linspace(0, 64, distance + 3).round().astype(int)
    masks = [_mask(low, high) for low, high in zip(cuts[:-1], cuts[1:], strict=True)]
    found = [_pairs_sharing(values, a | b, distance) for a, b in combinations(masks, 2)]
    pairs = np.unique(np.concatenate(found), axis=0)
    return np.concatenate([chains, first[pairs]]).astype(np.int64)


def _mask(low: int, high: int) -> int:
    return ((1 << high) - 1) ^ ((1 << low) - 1)


def _pairs_sharing(values: np.ndarray, mask: int, distance: int) -> np.ndarray:
    """Pairs (m, 2) of values that agree under the mask and differ in at most `distance` bits."""
    key = values & np.uint64(mask)
    order = np.argsort(key, kind="stable")
    key, value = key[order], values[order]
    left, found, step = np.arange(len(key)), [np.empty((0, 2), np.int64)], 1
    while len(left):
        left = left[left + step < len(key)]
        left = left[key[left] == key[left + step]]
        near = left[np.bitwise_count(value[left] ^ value[left + step]) <= distance]
        found.append(np.sort(np.stack([order[near], order[near + step]], axis=1), axis=1))
        step += 1
    return np.concatenate(found)


def same_text_links(
    texts: Sequence[str], min_words: int, max_repeats: int
) -> tuple[np.ndarray, int]:
    """Links (m, 2) between posts of the same text, and the number of posts with a generic text.

    Texts are compared as their words, without case, punctuation or emoji.
    """
    words = [WORD.findall(text.casefold()) for text in texts]
    table = pd.DataFrame({"text": [" ".join(w) for w in words]})
    table = table[np.array([len(set(w)) >= min_words for w in words], dtype=bool)]
    members = table.groupby("text", sort=True).indices
    positions = table.index.to_numpy()
    links, generic = [np.empty((0, 2), np.int64)], 0
    for found in members.values():
        if len(found) > max_repeats:
            generic += len(found)
        elif len(found) > 1:
            at = positions[found]
            links.append(np.stack([at[:-1], at[1:]], axis=1))
    return np.concatenate(links), generic


def components(n: int, links: np.ndarray) -> np.ndarray:
    """Union-find over n nodes: the root (n,) of each node, given links (m, 2)."""
    parent = list(range(n))

    def root(node: int) -> int:
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for a, b in links.tolist():
        a, b = root(a), root(b)
        parent[max(a, b)] = min(a, b)
    return np.array([root(node) for node in range(n)], dtype=np.int64)


def _smallest_member(ids: np.ndarray, roots: np.ndarray) -> np.ndarray:
    smallest: dict[int, str] = {}
    for name, root in zip(ids.tolist(), roots.tolist(), strict=True):
        smallest[root] = min(name, smallest.get(root, name))
    return np.array([smallest[root] for root in roots.tolist()], dtype=object)
