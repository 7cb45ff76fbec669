"""Near-duplicate groups: exact against brute force, and nothing glued that should not be."""

import numpy as np
import pytest

from lib.data.groups import (
    GroupSettings,
    assign_groups,
    close_pairs,
    components,
    same_text_links,
)
from lib.data.images import NO_HASH

LONG = "the old bridge at night seen from the river"


def hashes_with_neighbours(n: int, seed: int) -> np.ndarray:
    """Random hashes, some of them copies of others with 0 to 12 bits flipped."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(1, 2**64, n, dtype=np.uint64)
    for i in range(n // 2, n):
        bits = rng.choice(64, rng.integers(0, 13), replace=False).astype(np.uint64)
        hashes[i] = hashes[rng.integers(0, n // 2)] ^ np.bitwise_or.reduce(
            np.uint64(1) << bits, initial=np.uint64(0)
        )
    return hashes


@pytest.mark.parametrize("distance", [0, 1, 2, 3, 4, 6, 8, 10])
@pytest.mark.parametrize("seed", range(4))
def test_banding_finds_exactly_what_brute_force_finds(distance, seed):
    hashes = hashes_with_neighbours(240, seed)
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    brute = components(len(hashes), np.argwhere(apart <= distance))
    links = close_pairs(hashes, distance)
    assert (apart[links[:, 0], links[:, 1]] <= distance).all()
    assert components(len(hashes), links).tolist() == brute.tolist()


def test_close_hashes_survive_crowded_bands():
    """Hashes that differ in their low bits alone share all other bands with one another."""
    hashes = np.arange(600, dtype=np.uint64) << np.uint64(2)
    apart = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    expected = {(i, j) for i, j in np.argwhere(apart <= 2) if i < j}
    assert {tuple(sorted(pair)) for pair in close_pairs(hashes, 2)} == expected


@pytest.mark.parametrize("n", [0, 1])
def test_no_pairs_to_find(n):
    assert close_pairs(np.ones(n, dtype=np.uint64), 4).shape == (0, 2)
    assert assign_groups(["a"] * n, [5] * n, [LONG] * n).report["groups"] == n


def test_a_hundred_thousand_hashes_take_seconds():
    hashes = np.random.default_rng(0).integers(0, 2**64, 100_000, dtype=np.uint64)
    hashes[:500] = hashes[500:1000] ^ np.uint64(0b1010001)
    assert len(close_pairs(hashes, 4)) == 500  # brute force would need 5 billion comparisons


def test_groups_are_transitive_and_named_by_the_smallest_id():
    ids = ["d", "c", "b", "a", "e"]
    hashes = [0b1111_0000 << 30, 0b1111_0001 << 30, 0b11 << 10, 77 << 40, 0b1111_0011 << 30]
    texts = ["", LONG, LONG.upper() + " !!", "short", "other"]
    settings = GroupSettings(hash_distance=1, min_words=4)
    grouping = assign_groups(ids, hashes, texts, settings)
    assert grouping.group.tolist() == ["b", "b", "b", "a", "b"]
    assert grouping.report["largest"] == 4
    assert grouping.report["picture_links"] == 2
    assert grouping.report["text_links"] == 1


def test_order_of_posts_does_not_matter():
    hashes = hashes_with_neighbours(120, 9).view(np.int64)
    ids = np.array([f"p{i:03d}" for i in range(120)])
    texts = np.array([f"{LONG} {i % 50}" for i in range(120)])
    turn = np.random.default_rng(1).permutation(120)
    straight = assign_groups(ids, hashes, texts).group
    assert assign_groups(ids[turn], hashes[turn], texts[turn]).group.tolist() == (
        straight[turn].tolist()
    )


def test_plain_pictures_are_not_glued():
    grouping = assign_groups(["a", "b", "c"], [NO_HASH] * 3, ["", "", ""])
    assert grouping.group.tolist() == ["a", "b", "c"]
    assert grouping.report["without_hash"] == 3


def test_short_texts_and_generic_texts_are_not_glued():
    short = ["#nyc", "nyc", "NYC!", "", ""]
    assert len(same_text_links(short, min_words=3, max_repeats=20)[0]) == 0
    links, generic = same_text_links([LONG] * 21 + ["b " + LONG] * 2, 5, 20)
    assert links.tolist() == [[21, 22]]
    assert generic == 21
    repeated = ["nyc " * 30] * 2  # many words, but only one of them
    assert len(same_text_links(repeated, min_words=2, max_repeats=20)[0]) == 0


def test_giant_group_is_reported():
    hashes = [1 << 40] * 30 + [int(h) for h in hashes_with_neighbours(70, 3)[:30].view(np.int64)]
    grouping = assign_groups([f"{i:02d}" for i in range(60)], hashes, [""] * 60)
    assert grouping.giants(0.02).to_dict() == {"00": 30}
    assert grouping.report["giants"] == 1
    assert assign_groups(["a", "b"], [5 << 40] * 2, [""] * 2).report["giants"] == 0


@pytest.mark.parametrize(
    "settings",
    [{"hash_distance": 11}, {"min_words": 0}, {"max_repeats": 1}, {"giant_share": 0.0}],
)
def test_settings_out_of_range_name_their_key(settings):
    with pytest.raises(ValueError, match=f"^{next(iter(settings))}: "):
        GroupSettings(**settings).validate()
