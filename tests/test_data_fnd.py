"""Readers of NMB+, Weibo and FakeNewsNet: polarity declared, traps sprung, defects named."""

import json
import shutil
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from lib.data.readers import LayoutError
from lib.data.readers.fnd import fakenewsnet, nmb, weibo
from lib.data.readers.fnd.outlets import is_outlet, strip_body, strip_headline
from lib.data.readers.fnd.posts import SHARED, Pictures, cell
from lib.data.splits import with_splits
from lib.schema import PairsError, validate_pairs

FIXTURES = Path(__file__).parent / "data" / "fnd"
READERS = {
    "nmb": (nmb, {}),
    "nmb_early": (nmb, {"target": "nlp_label"}),
    "weibo": (weibo, {}),
    "weibo_csv": (weibo, {}),
    "fakenewsnet": (fakenewsnet, {}),
    "spotfake_plus": (fakenewsnet, {}),
}


def load(name: str, **settings):
    module, own = READERS[name]
    chosen = module.Settings(**{**own, **settings})
    chosen.validate()
    return module.read(FIXTURES / name, chosen)


def rows(reading):
    return reading.pairs.set_index("id", drop=False)


def reasons(reading, outcome: str) -> dict[str, str]:
    frame = reading.drops.frame()
    frame = frame[frame["outcome"] == outcome]
    return {f"{row.file} {row.id}".strip(): row.reason for row in frame.itertuples()}


@pytest.fixture
def copy(tmp_path):
    """Copies a fixture that a test may spoil."""
    return lambda name: Path(shutil.copytree(FIXTURES / name, tmp_path / name))


@pytest.mark.parametrize("name", READERS)
def test_each_layout_gives_a_valid_table(name):
    module, reading = READERS[name][0], load(name)
    labels = dict.fromkeys((*SHARED, *module.EXTRA), str) | {"label": (0, 1)}
    labels |= {"text_label": (-1, 0, 1)} if module is nmb else {}
    table = validate_pairs(reading.pairs, name, labels)
    assert set(table["label"]) == {0, 1}
    assert reading.facts["id"].tolist() == table["id"].tolist()
    there = table["image"] != ""
    assert all((FIXTURES / name / image).is_file() for image in table.loc[there, "image"])
    assert ((table["phash"] != "") == there).all()
    assert (reading.facts.loc[there, "width"] == 36).all()
    assert table.equals(load(name).pairs)


@pytest.mark.parametrize("name", READERS)
def test_every_row_is_in_the_table_or_in_the_report(name):
    reading = load(name)
    frame = reading.drops.frame()
    ids = set(reading.pairs["id"])
    assert set(frame.loc[frame["outcome"] == "kept", "id"]) <= ids
    raw = {"nmb": 10, "nmb_early": 2, "weibo": 12, "weibo_csv": 6, "fakenewsnet": 6,
           "spotfake_plus": 7}  # fmt: skip
    outside = (frame["reason"] == "line outside a post").sum()
    assert len(ids) + (frame["outcome"] == "dropped").sum() - outside == raw[name]


@pytest.mark.parametrize("name", ["nmb", "weibo", "fakenewsnet", "weibo_csv", "spotfake_plus"])
def test_polarity_is_what_the_settings_say(name):
    base = load(name)
    turned = {k: 1 - v for k, v in READERS[name][0].Settings().polarity.items()}
    other = load(name, polarity=turned)
    assert (base.pairs["label"] == 1 - other.pairs["label"]).all()
    assert base.pairs["label_name"].equals(other.pairs["label_name"])


def test_a_label_that_nobody_declared_is_an_error():
    with pytest.raises(PairsError) as caught:
        load("weibo_csv", polarity={"rumor": 1, "nonrumor": 0})
    assert str(caught.value).splitlines()[0] == (
        "tests/data/fnd/weibo_csv/test_weibo.csv, line 2, column 'label': '0' is not in "
        "data.weibo.polarity (rumor, nonrumor)"
    )
    with pytest.raises(PairsError, match="column 'folder name': 'real' is not in"):
        load("fakenewsnet", polarity={"fake": 1, "true": 0})
    with pytest.raises(PairsError) as caught:
        load("weibo", polarity={"rumor": 1, "genuine": 0})
    assert len(caught.value.defects) == 2  # a line a file, not a line a post


@pytest.mark.parametrize(
    ("polarity", "reason"),
    [
        ({}, "must name a positive class"),
        ({"fake": 1}, "must name a positive class"),
        ({"fake": 1, "real": 2}, "polarity.real: must be 1"),
        ({"Fake": 1, "fake": 0}, "polarity.fake: named twice"),
    ],
)
def test_settings_refuse_a_polarity_without_two_classes(polarity, reason):
    with pytest.raises(ValueError, match=reason):
        fakenewsnet.Settings(polarity=polarity).validate()


def test_nmb_reads_what_numpy_and_pandas_printed():
    table = rows(load("nmb"))
    lantern, ferry = table.loc["00aa11bb22"], table.loc["0123456789"]
    assert (lantern["categories"], lantern["category_scores"]) == (
        "Local/Regional|Opinion/Editorial", "0.95|0.9",
    )  # fmt: skip
    assert ferry["categories"] == "Women's Sport|Weather and Environment"
    assert (lantern["date"], ferry["date"]) == ("2024-05-29T00:00:00", "2024-09-05T19:08:46")
    assert (lantern["label"], lantern["text_label"]) == (1, 0)
    assert table.loc["33cc44dd55", ["date", "text_label", "categories"]].tolist() == ["", -1, ""]
    assert lantern["image_description"] == "A loaf on a table."
    assert ferry["image"] == "sample_review/images/0123456789.jpg"  # saved under another suffix
    assert nmb.parse_names(["A", None, "B  C"]) == ["A", "B C"]
    assert nmb.parse_names("Politics") is None
    assert nmb.parse_scores("[1.  0.5 1e-03]") == [1.0, 0.5, 0.001]  # numpy's own "1."
    assert nmb.parse_scores("[0.9 high]") is None
    assert nmb.parse_scores("0.9") is None
    assert nmb.parse_scores("[0.95 0.9 ]") == [0.95, 0.9]


def test_nmb_names_every_defect():
    found = load("nmb")
    assert reasons(found, "dropped") == {
        "metadata.csv:10 55ee66ff77": "no label",
        "metadata.csv:11 00aa11bb22": "second row of the same post, with the other label",
        "metadata.csv:12": "row without unique_id",
        "metadata.csv:13 77aa88bb99": "no picture; empty text",
        "metadata.csv:15": "malformed row: not as many cells as columns",
    }
    kept = set(found.drops.frame().query("id == '88bb99cc00'")["reason"])
    assert kept == {
        "broken image: empty file (0 bytes): kept without it",
        "column image holds the print of an object, not a picture",
        "not as many category scores as categories",
    }
    assert rows(load("nmb", need="both")).index.tolist() == ["00aa11bb22", "0123456789"]


def test_nmb_removes_the_outlet_unless_told_not_to():
    table = rows(load("nmb"))
    assert table.loc["00aa11bb22", "text"] == "Opinion | The town's best bakery, at last"
    assert table.loc["00aa11bb22", "body"].startswith("Bread is back")
    assert table.loc["0123456789", "body"] == "The ferry leaves ten minutes later."
    assert table.loc["33cc44dd55", ["text", "body"]].tolist() == [
        "Snow expected on the hills", "Snow may fall.",
    ]  # fmt: skip
    assert table.loc["44dd55ee66", "body"].startswith("Lantern makers met")
    whole = rows(load("nmb", strip_outlet=False)).loc["00aa11bb22"]
    assert whole["text"].endswith("- The Daily Lantern")
    assert whole["body"].startswith("The Daily Lantern Bread")


def test_an_outlet_is_not_any_word_it_shares():
    assert strip_headline("A day | CNN Politics - CNN", "CNN") == "A day"
    assert strip_headline("A walk - in the park", "The Park Gazette") == "A walk - in the park"
    assert strip_headline("CNN", "CNN") == "CNN"
    assert strip_body("CNN reported rain.", "CNN") == "CNN reported rain."
    assert strip_body("(CNN) — Rain.", "CNN") == "Rain."
    assert strip_body("CITY (AP) — Rain.", "The Associated Press") == "Rain."
    assert strip_body("The mayor (68) — a baker — smiled.", "CNN").startswith("The mayor")
    assert is_outlet("BBC", "BBC.com")
    assert is_outlet("Guardian US", "The Guardian")
    assert not is_outlet("New", "New York Post")
    assert not is_outlet("Guardian angels", "Guardian")


def test_nmb_gives_the_text_that_is_asked_for():
    texts = {kind: rows(load("nmb", text=kind)).loc["00aa11bb22", "text"]
             for kind in ("headline", "lead", "body", "all")}  # fmt: skip
    assert texts["lead"] == "Bread is back on Mill Lane."
    assert texts["body"].endswith("reached the bridge.")
    assert texts["all"] == f"{texts['headline']} {texts['body']}"


def test_nmb_early_json_by_columns_has_its_ids_and_whole_labels():
    table = rows(load("nmb_early"))
    assert table.index.tolist() == ["0123456789", "aa00bb11cc"]
    # "Likely to be Unbiased" starts with "Likely" and is the negative class.
    assert table["label"].tolist() == [0, 1]
    assert table.loc["0123456789", "date"] == "2024-09-05T19:08:46"  # milliseconds since 1970
    with pytest.raises(LayoutError, match="column 'multimodal_label': missing"):
        load("nmb_early", target="multimodal_label")


def nmb_record(name: str, **values):
    return {
        "unique_id": name, "outlet": "Lantern", "headline": f"News {name}", "article_text": "Text.",
        "new_categories": ["Politics"], "news_categories_confidence_scores": [0.5],
        "text_label": "Likely", "multimodal_label": "Unlikely", **values,
    }  # fmt: skip


def test_nmb_parquet_carries_its_pictures(tmp_path):
    data = (FIXTURES / "nmb/sample_review/images/0123456789.jpg").read_bytes()
    records = [
        nmb_record("aa00bb11cc", image={"bytes": data, "path": "x.JPG"}),
        nmb_record("bb00cc11dd", image=None),
    ]
    parquet.write_table(pyarrow.Table.from_pylist(records), tmp_path / "train.parquet")
    shut = nmb.read(tmp_path)
    assert shut.pairs["image"].tolist() == ["", ""]
    inside = "picture lies inside the table: setting `unpack` writes it out"
    assert inside in shut.drops.frame()["reason"].tolist()
    assert [file.name for file in tmp_path.iterdir()] == ["train.parquet"]
    table = rows(nmb.read(tmp_path, nmb.Settings(unpack=True)))
    assert table["image"].tolist() == ["unpacked_images/aa00bb11cc.jpg", ""]
    assert (tmp_path / "unpacked_images/aa00bb11cc.jpg").read_bytes() == data
    assert table.loc["aa00bb11cc", ["categories", "category_scores"]].tolist() == [
        "Politics",
        "0.5",
    ]


def test_nmb_json_lists_and_lines_read_alike(tmp_path):
    records = [nmb_record("aa00bb11cc"), nmb_record("bb00cc11dd", text_label=None)]
    (tmp_path / "list.json").write_text(json.dumps(records))
    (tmp_path / "lines.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))
    (tmp_path / "broken.json").write_text("{\n")
    listed, lines = (
        nmb.read(tmp_path, nmb.Settings(table=name)).pairs for name in ("list.json", "lines.jsonl")
    )
    assert listed.equals(lines)
    assert listed["text_label"].tolist() == [1, -1]
    broken = nmb.read(tmp_path, nmb.Settings(table="broken.json"))
    assert reasons(broken, "dropped") == {"broken.json:1": "line is no JSON object"}
    with pytest.raises(LayoutError, match="expected one table"):
        nmb.read(tmp_path)


def test_weibo_finds_posts_again_after_a_malformed_one():
    found = load("weibo")
    assert rows(found).index.tolist() == [
        "3500000031", "3500000022", "3500000011", "3500000001", "3500000003",
    ]  # fmt: skip
    assert reasons(found, "dropped") == {
        "tweets/train_rumor.txt:10": "line outside a post",
        "tweets/train_rumor.txt:4 3500000002": "picture is missing",
        "tweets/train_rumor.txt:11 3500000004": (
            "malformed post: first line has fewer than 15 fields"
        ),
        "tweets/train_nonrumor.txt:4 3500000012": "malformed post: fewer than three lines",
        "tweets/train_nonrumor.txt:6 3500000013": (
            "broken image: truncated JPEG (its end marker is missing)"
        ),
        "tweets/train_nonrumor.txt:9 3500000014": "empty text",
        "tweets/test_rumor.txt:1 3500000021": "no picture",
        "tweets/test_nonrumor.txt:4 3500000032": "post is neither UTF-8 nor Windows-1252",
    }


def test_weibo_labels_dates_and_splits():
    table = rows(load("weibo"))
    assert table.loc["3500000001", ["label", "label_name"]].tolist() == [1, "rumor"]
    assert table.loc["3500000031", ["label", "split"]].tolist() == [0, "test"]
    assert table.loc["3500000001", ["split", "date"]].tolist() == ["", "2013-02-01T10:00:00"]
    settings = weibo.Settings(fractions={"train": 0.5, "validation": 0.5})
    split = with_splits(table, settings.fractions, 0, settings.in_time)["split"]
    assert set(split[table["split"] == ""]) == {"train", "validation"}
    assert (split[table["split"] == "test"] == "test").all()


def test_weibo_pictures_are_chosen_as_asked():
    every = rows(load("weibo", picture="all"))
    assert every.loc["3500000001/2", ["image", "group"]].tolist() == [
        "rumor_images/aa02.jpg", "3500000001",
    ]  # fmt: skip
    drawn = {
        rows(load("weibo", picture="seeded", seed=seed)).loc["3500000001", "image"]
        for seed in range(8)
    }
    assert drawn == {"rumor_images/aa01.jpg", "rumor_images/aa02.jpg"}
    assert load("weibo", picture="seeded").pairs.equals(load("weibo", picture="seeded").pairs)
    anything = rows(load("weibo", need="any"))
    # A rumour's picture has the same name; the post's own folder goes first.
    assert anything.loc["3500000014", ["image", "text"]].tolist() == [
        "nonrumor_images/aa01.jpg",
        "",
    ]


def test_weibo_tables_have_a_translation_and_zero_for_rumours():
    table = rows(load("weibo_csv"))
    assert table.loc["train_weibo/0", ["label", "label_name", "text", "lang"]].tolist() == [
        1, "0", "月亮是奶酪做的", "zh",
    ]  # fmt: skip
    assert table.loc["test_weibo/0", ["label", "split"]].tolist() == [1, "test"]  # 0.0 is 0
    english = rows(load("weibo_csv", text="english")).loc["train_weibo/0"]
    assert (english["text"], english["lang"]) == ("The moon is made of cheese", "en")
    assert english["original"] == "月亮是奶酪做的"
    with pytest.raises(LayoutError, match="has no translation"):
        load("weibo", text="english")


def test_both_layouts_at_once_need_a_choice(copy):
    root = copy("weibo")
    shutil.copy(FIXTURES / "weibo_csv/train_weibo.csv", root)
    with pytest.raises(LayoutError, match="both layouts are there: choose one"):
        weibo.read(root)
    chosen = weibo.read(root, weibo.Settings(layout="tweets")).pairs
    assert chosen.equals(load("weibo").pairs)


@pytest.mark.parametrize(("module", "said"), [(weibo, "tweets/"), (fakenewsnet, "SpotFake")])
def test_a_folder_without_the_data_set_is_one_clear_line(tmp_path, module, said):
    with pytest.raises(LayoutError, match=said) as caught:
        module.read(tmp_path)
    assert "\n" not in str(caught.value)


def test_fakenewsnet_takes_pictures_from_the_articles_own_place():
    found = load("fakenewsnet")
    table = rows(found)
    one = table.loc["politifact/politifact1"]
    assert one["image"] == "politifact/fake/politifact1/cat.jpg"  # top_img before ad.jpg
    assert (one["label"], one["label_name"], one["source"]) == (1, "fake", "politifact")
    assert (one["text"], one["date"]) == (
        "Cat elected mayor A cat won the vote.", "2017-07-05T21:26:40",
    )  # fmt: skip
    # cat.jpg is the name of other articles' pictures too, and none of theirs.
    assert table.loc["politifact/politifact2", "image"] == "images/politifact2.png"
    assert list(reasons(found, "dropped").values()) == [
        "content is no JSON object", "no picture; empty text", "picture is missing",
    ]  # fmt: skip


def test_spotfake_plus_has_one_for_real():
    table = rows(load("spotfake_plus"))
    assert table["label"].to_dict() == {
        "gossip_test/0": 0, "gossip_test/1": 1,
        "gossip_train/0": 0, "gossip_train/1": 1, "gossip_train/2": 0,
    }  # fmt: skip
    assert table.loc["gossip_train/1", "image"] == "Images/gossip_train/moon.jpg"  # moon.JPG
    assert table.loc["gossip_train/2", "image"] == "Images/gossip_train/same.jpg"
    assert table.loc["gossip_test/0", ["image", "split", "source"]].tolist() == [
        "Images/gossip_test/same.jpg", "test", "gossipcop",
    ]  # fmt: skip


def test_a_name_that_fits_two_folders_is_no_picture():
    pictures = Pictures(FIXTURES / "spotfake_plus")
    assert pictures.find("same.jpg") == []
    assert pictures.find("same.jpg", "gossip_test") == ["Images/gossip_test/same.jpg"]
    assert pictures.find("http://x.example/gossip_test/same.jpg?w=1") == []
    assert pictures.find("gossip_test/same.jpg") == ["Images/gossip_test/same.jpg"]


def test_cells_of_any_export():
    values = [None, float("nan"), "NaN", " NaT ", "<NA>", 1.0, 3, "a "]
    assert [cell(value) for value in values] == ["", "", "", "", "", "1", "3", "a"]
