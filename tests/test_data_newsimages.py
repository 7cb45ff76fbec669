"""The NewsImages reader: every edition's columns, every defect named, tests joined or blind."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from lib.data.readers import LayoutError
from lib.data.readers.newsimages import Settings, read, tags
from lib.data.readers.text import ENTITIES, GARBLED_REMARK, MOJIBAKE, iso_date, repair
from lib.data.splits import with_splits
from lib.schema import PairsError, validate_pairs

FIXTURES = Path(__file__).parent / "data" / "newsimages"
LABELS = dict.fromkeys(("article", "iid", "original", "snippet", "phash"), str)


@pytest.fixture(scope="module")
def reading():
    return read(FIXTURES)


@pytest.fixture
def copy(tmp_path):
    """A copy of the fixtures that a test may spoil."""
    return Path(shutil.copytree(FIXTURES, tmp_path / "newsimages"))


def rows(reading, source: str) -> pd.DataFrame:
    pairs = reading.pairs[reading.pairs["source"] == source]
    return pairs.set_index(pairs["id"].str.partition("/")[2])


def reasons(reading, part: str) -> dict[str, str]:
    frame = reading.drops.frame()
    frame = frame[frame["file"].str.contains(part)]
    return dict(zip(frame["id"], frame["outcome"] + ": " + frame["reason"], strict=True))


def test_all_editions_come_out_as_one_valid_table(reading):
    table = validate_pairs(reading.pairs, "t", LABELS)
    assert table["source"].value_counts().to_dict() == {
        "2020-portal": 4, "2022-rss": 5, "2022-rt": 7, "2023-p1": 6,
    }  # fmt: skip
    assert reading.facts["id"].tolist() == table["id"].tolist()
    there = table["image"] != ""
    assert all((FIXTURES / image).is_file() for image in table.loc[there, "image"])
    assert (reading.facts.loc[there, ["width", "height"]] == [36, 24]).all(axis=None)
    assert ((table["phash"] != "") == there).all()


def test_the_portal_of_2020_joins_its_test_by_address(reading):
    portal = rows(reading, "2020-portal")
    assert portal["split"].tolist() == ["", "", "test", "test"]
    # The ground truth's article ids are others than the test's; pictures stand in another order.
    assert portal.loc["1000265260", ["iid", "image"]].tolist() == [
        "134801",
        "2020/images/32ccD.jpg",
    ]
    assert portal.loc["1001935289", "image"] == "2020/images/32ddE.jpg"
    assert portal.loc["1000265260", "text"] == "Sperrung auf der Straße nach Mülheim"  # cp1252
    assert portal.loc["509006281", "snippet"] == '„Gute Lösungen" sagt er'
    assert set(portal["lang"]) == {"de"}
    assert reasons(reading, "Batch04articles") == {
        "2020-portal/1000265260": "kept: row read as cp1252",
        "2020-portal/1001935289": "kept: row read as cp1252",
    }


def test_german_titles_come_with_their_translation(reading):
    rt = rows(reading, "2022-rt")
    one, bare = rt.loc["110"], rt.loc["111"]  # 111 was never translated
    assert (one["text"], one["lang"]) == ("Foreign Minister avalanche departs", "en")
    assert (one["original"], one["snippet"]) == ("Außenminister Lawrow reist ab", "A text …")
    assert (bare["text"], bare["lang"]) == ("Frühling in den Bergen", "de")
    assert one["image"].endswith(f"{one['iid']}.jpg")
    original = rows(read(FIXTURES, Settings(title="original")), "2022-rt").loc["110"]
    assert (original["text"], original["lang"]) == ("Außenminister Lawrow reist ab", "de")
    assert original["snippet"] == "Ein Text …"


def test_every_defect_is_named_with_its_line(reading):
    assert rows(reading, "2022-rss").index.tolist() == ["200", "201", "202", "209", "210"]
    found = reading.drops.frame()
    found = found[found["file"].str.startswith("2022/")]
    lines = found["file"].str.rpartition("/")[2] + " " + found["outcome"] + " " + found["reason"]
    assert sorted(lines) == [
        "000000000000000000000000000000D0.jpg dropped broken image: truncated JPEG (its end marker "
        "is missing)",
        "RSS-Train.tsv:10 dropped row is neither UTF-8 nor Windows-1252",
        f"RSS-Train.tsv:12 kept {GARBLED_REMARK}",
        f"RSS-Train.tsv:2 kept {MOJIBAKE}",
        f"RSS-Train.tsv:3 kept {ENTITIES}",
        f"RSS-Train.tsv:3 kept {MOJIBAKE}",
        "RSS-Train.tsv:4 kept row read as cp1252",
        "RSS-Train.tsv:5 dropped picture is missing",
        "RSS-Train.tsv:6 dropped malformed row: cut off before title",
        "RSS-Train.tsv:7 dropped malformed row: more cells than columns",
        "RSS-Train.tsv:8 dropped empty title",
        "RSS-Train.tsv:9 dropped second row of the same article",
    ]


def test_a_row_that_ends_early_is_named(tmp_path):
    shutil.copytree(FIXTURES / "2022", tmp_path / "2022")
    file = tmp_path / "2022" / "RT-Train.tsv"
    before = read(tmp_path).drops.frame()
    assert not before["reason"].str.contains("ends before").any()
    head, first, *rest = file.read_text(encoding="utf-8").splitlines()
    columns = head.lower().split("\t")
    kept = first.split("\t")[: columns.index("titleen")]
    file.write_text("\n".join([head, "\t".join(kept), *rest]) + "\n", encoding="utf-8")
    reading = read(tmp_path)
    found = reading.drops.frame()
    found = found[found["reason"].str.contains("ends before")]
    assert found[["file", "reason", "outcome"]].to_numpy().tolist() == [
        ["2022/RT-Train.tsv:2", "row ends before column titleen", "kept"]
    ]
    assert kept[0] in rows(reading, "2022-rt").index


def test_titles_are_repaired(reading):
    rss = rows(reading, "2022-rss")["text"]
    assert rss["200"] == "Harvest festival – farmers celebrate in Renéeville"  # read wrongly twice
    assert rss["201"] == "Museum & zoo open late – families welcome"  # once, and an HTML entity
    assert rss["202"] == "Café opens – “finally”, say guests"
    facts = reading.facts.set_index("id")["encoding"]
    assert facts["2022-rss/200"] == "utf-8, mojibake"
    assert facts["2022-rss/202"] == "cp1252"


@pytest.mark.parametrize(
    "text",
    ["Größe, Übermut und Ärger: „so nicht“", "naïve café à la carte", "Ελλάδα – Россия 3:1 🎉",
     "AT&T & R&D; copy", "L’ÂGE D’OR À GENÈVE"],
)  # fmt: skip
def test_sound_text_is_left_alone(text):
    assert repair(text) == (text, ())


def test_print_colours_are_read(reading):
    image = rows(reading, "2022-rss").loc["210", "image"]
    with Image.open(FIXTURES / image) as picture:
        assert picture.mode == "CMYK"


def test_a_test_without_ground_truth_is_blind(reading):
    p1 = rows(reading, "2023-p1")
    articles, pictures = p1[p1["text"] != ""], p1[p1["image"] != ""]
    assert len(articles) == len(pictures) == 3
    assert not set(articles.index) & set(pictures.index)
    assert (articles[["image", "iid", "phash"]] == "").all(axis=None)
    assert pictures.index.tolist() == pictures["iid"].tolist()
    assert set(p1["split"]) == {"test"}
    assert articles["date"].tolist() == ["2023-07-20T18:54:30", "2023-07-20T18:30:00", ""]
    assert reasons(reading, "Test-Text.txt:4") == {
        "2023-p1/2023072018301484": "kept: date not understood"
    }
    gone = reasons(reading, "Test-Img.txt:5")  # a gallery picture that is not there
    assert list(gone.values()) == ["dropped: picture is missing"]


def test_a_ground_truth_opens_a_blind_test(copy):
    truth = copy / "2023" / "P1-Test-GroundTruth.tsv"
    truth.write_text(f"article\tiid\n2023072018301478\t{301:032X}\n")
    p1 = rows(read(copy), "2023-p1")
    both = p1[(p1["text"] != "") & (p1["image"] != "")]
    assert both[["article", "iid"]].values.tolist() == [["2023072018301478", f"{301:032X}"]]
    assert len(p1) == 5


def test_a_wrong_ground_truth_is_one_line_a_defect(copy):
    truth = copy / "2022" / "RT-Test-GroundTruth.tsv"
    iid = f"{110:032X}"
    truth.write_text(
        f"article\tiid\n110\t{iid}\n999\t{iid}\n111\tABC\n111\t{iid}\n110\t{111:032X}\n"
    )
    with pytest.raises(PairsError) as error:
        read(copy)
    assert [line.split("2022/")[1] for line in error.value.defects] == [
        "RT-Test-GroundTruth.tsv, line 3, column 'article': '999' is not in the Test-Text file",
        "RT-Test-GroundTruth.tsv, line 4, column 'iid': 'ABC' is not in the Test-Img file",
        f"RT-Test-GroundTruth.tsv, line 5, column 'iid': '{iid}' already belongs to '110'",
        "RT-Test-GroundTruth.tsv, line 6, column 'article': '110' appears twice",
    ]


def test_a_test_article_outlives_its_picture(copy):
    (copy / "2022" / "images" / f"{110:032X}.jpg").unlink()
    broken = copy / "2022" / "images" / f"{111:032X}.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    reading = read(copy)
    rt = rows(reading, "2022-rt")
    assert rt.loc[["110", "111"], "image"].tolist() == ["", ""]
    assert reasons(reading, "Test-Text")["2022-rt/110"].startswith("kept: picture is missing")
    assert reasons(reading, "Test-Text")["2022-rt/111"].startswith("kept: broken image: truncated")


def test_training_rows_are_split_in_time_and_tests_stay(reading):
    settings = Settings()
    split = with_splits(reading.pairs, settings.fractions, settings.seed, settings.in_time)
    rt = split[split["source"] == "2022-rt"].set_index("article")["split"]
    assert rt[rt == "validation"].index.tolist() == ["100"]  # first in the file, latest by date
    assert rt[rt == "test"].index.tolist() == ["110", "111"]
    rss = split[split["source"] == "2022-rss"]["split"].tolist()  # undated: by row
    assert rss == ["train"] * 4 + ["validation"]


def test_a_picture_beside_the_table_goes_first(copy):
    name = f"{100:032X}.jpg"
    (copy / "2020" / "images" / name).write_bytes((copy / "2020/images/31aaC.jpg").read_bytes())
    assert rows(read(copy), "2022-rt").loc["100", "image"] == f"2022/images/{name}"


def test_layout_errors_are_one_line(copy, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(LayoutError, match="expected <NAME>-Train.tsv.*; found nothing$"):
        read(tmp_path / "empty")
    table = copy / "2022" / "RSS-Train.tsv"
    table.write_text("article\ttitel\tiid\n1\tx\ty\n")
    with pytest.raises(LayoutError, match=r"RSS-Train.tsv, header, column 'title': missing; found"):
        read(copy)
    shutil.copy(copy / "2022" / "RT-Test-Img.tsv", copy / "2022" / "RT-Test-Images.tsv")
    with pytest.raises(LayoutError, match="both are the images file of source 2022-rt"):
        read(copy)
    (copy / "2022" / "RT-Test-Images.tsv").unlink()
    (copy / "2022" / "RT-Test-Text.tsv").unlink()
    with pytest.raises(LayoutError, match="RT-Test-GroundTruth.tsv: ground truth without"):
        read(copy)


@pytest.mark.parametrize(
    ("value", "iso"),
    [
        ("4512778785", "2023-07-20T18:54:30"),
        ("20230720183000-1470", "2023-07-20T18:30:00"),
        ("20230720", "2023-07-20"),
        ("2022-01-05 09:30:00", "2022-01-05T09:30:00"),
        ("2022-01-05T09:30:00+02:00", "2022-01-05T07:30:00"),
        ("Wed, 05 Jan 2022 08:00:00 +0100", "2022-01-05T07:00:00"),
        ("Wed Jan 05 08:00:00 +0000 2022", "2022-01-05T08:00:00"),
        ("05.01.2022", "2022-01-05"),
        ("1641369600", "2022-01-05T08:00:00"),
        ("", ""),
        ("118171", None),
        ("soon", None),
        ("2022-13-01", None),
    ],
)
def test_dates(value, iso):
    assert iso_date(value) == iso


def test_gdelt_tags():
    assert tags("ada lovelace;alan turing|college london") == (
        ["ada lovelace", "alan turing"],
        ["college london"],
    )
    assert tags("persons;grace hopper|orgs;town council") == (["grace hopper"], ["town council"])
    assert tags("kim|") == (["kim"], [])
    assert tags("A running text, as the portals have it.") is None
