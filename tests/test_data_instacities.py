"""The InstaCities reader: both layouts, every defect named, nothing lost in silence."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lib.data import readers as data
from lib.data.readers import LayoutError
from lib.data.readers.instacities import Settings, clean, read
from lib.data.readers.registry import READERS
from lib.data.readers.text import decode
from lib.params import ParamsError
from lib.schema import PairsError, validate_pairs

NEW_YORK = ("captions/newyork", "img_resized/newyork")
MILLION = (
    "captions_resized_1M/cities_instagram/{}",
    "img_resized_1M/cities_instagram/{}",
)


@pytest.fixture
def settings(tmp_path) -> Settings:
    classes = tmp_path / "classes.csv"
    pd.DataFrame({"raw": ["/b/bridge", "/s/sky"]}).to_csv(classes, index=False)
    return Settings(classes=str(classes))


def post(root, folders, name, caption: bytes | None = b"a bridge", picture=True, suffix=".jpg"):
    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
    if caption is not None:
        (root / folders[0] / f"{name}.txt").write_bytes(caption)
    if picture:
        pixels = np.random.default_rng(int(name)).integers(0, 255, (6, 6, 3), dtype=np.uint8)
        image = Image.fromarray(pixels).resize((60, 40), Image.Resampling.BICUBIC)
        image.save(root / folders[1] / f"{name}{suffix}")


def reasons(reading) -> dict[str, str]:
    frame = reading.drops.frame()
    return dict(zip(frame["id"], frame["outcome"] + ": " + frame["reason"], strict=True))


def test_posts_come_out_as_a_valid_table(tmp_path, settings):
    root = tmp_path / "ny"
    post(root, NEW_YORK, "20", "\ufeff  Brooklyn\r\n bridge\t🌉 ".encode())
    post(root, NEW_YORK, "10", suffix=".JPG")
    pairs, facts, drops = read(root, settings)
    validate_pairs(pairs, "t", {"label": ["", "none", "/b/bridge"]})
    assert pairs["id"].tolist() == ["10", "20"]
    assert pairs["text"].tolist() == ["a bridge", "Brooklyn bridge 🌉"]
    assert pairs["image"].tolist() == ["img_resized/newyork/10.JPG", "img_resized/newyork/20.jpg"]
    assert set(pairs["source"]) == {"newyork"}
    assert facts[["id", "width", "height"]].values.tolist() == [["10", 60, 40], ["20", 60, 40]]
    assert facts["hash"].nunique() == 2
    assert drops.frame().empty


def test_every_defect_is_named(tmp_path, settings):
    root = tmp_path / "ny"
    post(root, NEW_YORK, "1")
    post(root, NEW_YORK, "2", caption=None)
    post(root, NEW_YORK, "3", picture=False)
    post(root, NEW_YORK, "4", b" \n ")
    post(root, NEW_YORK, "5", "café – soirée".encode("cp1252"))
    post(root, NEW_YORK, "6", b"\x81\x8d\x8f")
    post(root, NEW_YORK, "7", "utf-16 it is".encode("utf-16"))
    post(root, NEW_YORK, "8")
    post(root, NEW_YORK, "9")
    post(root, NEW_YORK, "11", b"", picture=True)
    (root / NEW_YORK[1] / "8.jpg").write_bytes(b"<html>")
    (root / NEW_YORK[1] / "11.jpg").write_bytes(b"")
    post(root, NEW_YORK, "9", suffix=".png")
    (root / NEW_YORK[0] / "notes.doc").write_bytes(b"?")
    (root / NEW_YORK[0] / ".DS_Store").write_bytes(b"?")
    reading = read(root, settings)
    assert reading.pairs["id"].tolist() == ["1", "4", "5", "9"]
    assert reading.pairs.set_index("id").loc["5", "text"] == "café – soirée"
    assert reasons(reading) == {
        "2": "dropped: image without caption",
        "3": "dropped: caption without image",
        "4": "kept: empty caption",
        "5": "kept: caption read as cp1252",
        "6": "dropped: caption is neither UTF-8 nor Windows-1252",
        "7": "dropped: caption is neither UTF-8 nor Windows-1252",
        "8": "dropped: broken image: not an image in a known format",
        "9": "dropped: second file of the same id",
        "11": "dropped: broken image: empty file (0 bytes)",
        "notes.doc": "dropped: no .txt file",
    }
    assert reading.facts["encoding"].tolist() == ["utf-8", "utf-8", "cp1252", "utf-8"]


def test_the_million_layout_with_the_same_id_in_two_cities(tmp_path, settings):
    for city in ("sydney", "london"):
        post(tmp_path / "m", [folder.format(city) for folder in MILLION], "7")
    pairs = read(tmp_path / "m", settings).pairs
    assert pairs["id"].tolist() == ["london/7", "sydney/7"]
    assert pairs["image"][0] == "img_resized_1M/cities_instagram/london/7.jpg"
    assert pairs["source"].tolist() == ["london", "sydney"]


def test_first_posts_only_and_cleaning(tmp_path, settings):
    for name in ("3", "1", "2"):
        post(tmp_path / "ny", NEW_YORK, name, b"#NYC, baby! caf\xc3\xa9")
    few = Settings(classes=settings.classes, max_posts=2, clean_captions=True)
    pairs = read(tmp_path / "ny", few).pairs
    assert pairs["id"].tolist() == ["1", "2"]
    assert set(pairs["text"]) == {"nyc baby caf"}
    assert clean("#love#NYC 2day") == "love nyc 2day"


def test_decode():
    assert decode(b"\xef\xbb\xbfabc") == ("abc", "utf-8")
    assert decode(b"\x93hi\x94") == ("“hi”", "cp1252")
    assert decode(b"a\0b") is None


def write_labels(root, name, rows):
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(rows, columns=["id", "label"]).assign(annotator="a", time="").to_csv(
        file, index=False
    )


def test_gold_labels_and_annotators(tmp_path, settings):
    root = tmp_path / "ny"
    for name in ("1", "2", "3"):
        post(root, NEW_YORK, name)
    write_labels(root, "labels/ann.csv", [("1", "/b/bridge"), ("2", "none")])
    write_labels(root, "labels/bob.csv", [("1", "/b/bridge"), ("2", "/s/sky"), ("9", "none")])
    reading = read(root, settings)
    assert reading.pairs["label"].tolist() == ["/b/bridge", "", ""]  # they differ about post 2
    assert reasons(reading) == {"9": "kept: label without a post"}
    write_labels(root, "gold.csv", [("3", "/s/sky")])  # a gold file goes before annotators
    assert read(root, settings).pairs["label"].tolist() == ["", "", "/s/sky"]


def test_wrong_labels_name_file_row_and_column(tmp_path, settings):
    root = tmp_path / "ny"
    post(root, NEW_YORK, "1")
    write_labels(root, "gold.csv", [("1", "/b/bridge"), ("2", "/b/brige"), ("1", "none")])
    with pytest.raises(PairsError) as error:
        read(root, settings)
    assert [line.split("ny/")[-1] for line in error.value.defects] == [
        "gold.csv, row 2, column 'label': unknown class '/b/brige'; did you mean /b/bridge?",
        "gold.csv, row 3, column 'id': '1' is judged twice",
    ]
    (root / "gold.csv").write_text("id;label\n1;none\n")
    with pytest.raises(PairsError, match="gold.csv, header, column 'id': missing"):
        read(root, settings)
    (root / "gold.csv").write_text("")
    with pytest.raises(PairsError, match=r"gold.csv: not a CSV file"):
        read(root, settings)


def test_wrong_root_says_what_was_expected_and_found(tmp_path, settings):
    post(tmp_path / "raw" / "InstaNY100K", NEW_YORK, "1")
    with pytest.raises(LayoutError) as error:
        read(tmp_path / "raw", settings)
    line = str(error.value)
    assert "\n" not in line
    assert "expected captions/<city>/<id>.txt" in line
    assert "found InstaNY100K/; did you mean" in line
    assert line.endswith("raw/InstaNY100K?")


def test_data_sets_are_found_by_name(tmp_path):
    with pytest.raises(KeyError, match="dataset 'instacity': unknown; there are .*instacities"):
        data.load_settings("instacity", "profiles/smoke.yaml")
    with pytest.raises(LayoutError, match="data.instacities.root: .*nowhere: no such folder"):
        data.find_root("instacities", str(tmp_path / "nowhere"), Settings())
    assert data.find_root("instacities", "", Settings(root=str(tmp_path))) == tmp_path
    for name in READERS:
        assert data.load_settings(name, "profiles/smoke.yaml").root == ""


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("max_posts: -1", "data.instacities.max_posts"),
        ("fractions: {train: 0.5}", "data.instacities.fractions"),
        ("group: {hash_distance: 40}", "data.instacities.group.hash_distance"),
        ("max_post: 3", "data.instacities.max_post"),
    ],
)
def test_settings_errors_name_the_key(tmp_path, text, key):
    config = tmp_path / "c.yaml"
    config.write_text(f"data:\n  instacities:\n    {text}\n")
    with pytest.raises(ParamsError, match=key):
        data.load_settings("instacities", config)


def test_preparing_groups_and_splits_as_the_settings_say():
    settings = data.load_settings("instacities", "profiles/smoke.yaml")
    reading, grouping = data.prepare(
        "instacities", data.find_root("instacities", "", settings), settings
    )
    pairs = reading.pairs
    assert pairs["group"].tolist() == list(grouping.group)
    assert pairs["group"].nunique() < len(pairs)  # the sample plants near duplicates
    assert pairs.groupby("group")["split"].nunique().eq(1).all()
    shares = pairs["split"].value_counts(normalize=True)
    assert abs(shares["test"] - settings.fractions["test"]) < 0.1
