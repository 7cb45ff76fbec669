"""Split manifests: digests that anyone can check, and a table that no longer fits is refused."""

import hashlib

import pandas as pd
import pytest

from lib.data import manifests
from lib.data.manifests import ManifestError


@pytest.fixture
def pairs():
    ids = [f"a{number}" for number in range(10)]
    split = ["train"] * 6 + ["validation"] * 2 + ["test"] * 2
    outlet = ["train"] * 4 + ["", "", "validation", "test", "test", "test"]
    return pd.DataFrame({"id": ids, "split": split, "split_outlet": outlet})


def test_counts_and_digests_by_hand(pairs):
    made = manifests.build(pairs)
    assert made["story"]["test"] == {
        "count": 2, "sha256": hashlib.sha256(b"a8\na9\n").hexdigest()
    }  # fmt: skip
    assert {name: part["count"] for name, part in made["outlet"].items()} == {
        "train": 4, "validation": 1, "test": 3
    }  # fmt: skip
    assert manifests.build(pairs.iloc[::-1]) == made, "the order of the rows counts"
    assert list(manifests.build(pairs.drop(columns="split_outlet"))) == ["story"]


def test_the_same_table_passes_and_is_shown(pairs, tmp_path):
    file = manifests.write(manifests.build(pairs), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [file.name] == [manifests.FILE]
    shown = manifests.verify(pairs, tmp_path)
    assert shown["count"].tolist() == [6, 2, 2, 4, 1, 3]
    assert shown["sha256"].str.len().eq(manifests.SHOWN).all()


def test_a_moved_row_is_one_line(pairs, tmp_path):
    manifests.write(manifests.build(pairs), tmp_path)
    moved = pairs.assign(split_outlet=pairs["split_outlet"].replace("validation", "test"))
    with pytest.raises(ManifestError, match="split 'validation' of protocol 'outlet'") as error:
        manifests.verify(moved, tmp_path)
    assert "1 rows" in str(error.value)
    assert "\n" not in str(error.value)
    swapped = pairs.assign(id=pairs["id"].replace({"a0": "a9", "a9": "a0"}))
    with pytest.raises(ManifestError, match="split 'train' of protocol 'story'"):
        manifests.verify(swapped, tmp_path)


def test_a_protocol_that_one_side_lacks_is_refused(pairs, tmp_path):
    manifests.write(manifests.build(pairs), tmp_path)
    with pytest.raises(ManifestError, match="protocol 'outlet' .* the pairs table has no rows"):
        manifests.verify(pairs.drop(columns="split_outlet"), tmp_path)


def test_a_missing_or_broken_file_is_one_line(pairs, tmp_path):
    with pytest.raises(ManifestError, match="splits.json: no such file"):
        manifests.verify(pairs, tmp_path)
    (tmp_path / manifests.FILE).write_text("{")
    with pytest.raises(ManifestError, match="not a JSON file"):
        manifests.verify(pairs, tmp_path)
