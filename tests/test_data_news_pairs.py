"""The reader of external pairs: any table, columns as told, nothing of a test set gets through."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lib.data.images import inspect
from lib.data.readers import LayoutError, load_settings
from lib.data.readers.news_pairs import Settings, read, same_pictures
from lib.data.readers.news_pairs.tables import address_date
from lib.data.readers.text import hex_hash
from lib.data.splits import with_splits
from lib.params import ParamsError
from lib.schema import COLUMNS, PairsError, validate_pairs, write_pairs

TITLES = ["Rain over the old harbour", "A library opens at night", "Bakers share their recipes"]


def picture(file, seed: int, quality: int = 90) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    small = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((160, 120), Image.Resampling.BICUBIC)
    image.save(file, quality=quality)


@pytest.fixture
def root(tmp_path):
    """Three pictures and a table of them, as DataFrame to be written in any form."""
    for number in range(3):
        picture(tmp_path / "set" / "images" / f"{number}.jpg", number)
    return tmp_path / "set"


def table() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "key": ["a", "b", "c"],
            "file": [f"images/{n}.jpg" for n in range(3)],
            "headline": TITLES,
            "day": ["2019-03-01", "2019-01-01", "2019-02-01"],
            "outlet": ["north", "south", "north"],
        }
    )


MAPPED = {"id": "key", "image": "file", "text": "headline", "date": "day", "source": "outlet"}


def reasons(reading) -> dict[str, str]:
    frame = reading.drops.frame()
    names = frame["id"].where(frame["id"] != "", frame["file"])
    return dict(zip(names, frame["outcome"] + ": " + frame["reason"], strict=True))


def write(root, form: str) -> None:
    frame = table()
    if form in ("csv", "tsv"):
        frame.to_csv(root / f"t.{form}", sep="," if form == "csv" else "\t", index=False)
    elif form == "parquet":
        frame.to_parquet(root / "t.parquet")
    else:
        frame.to_json(root / f"t.{form}", orient="records", lines=form == "jsonl")


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_any_form_gives_the_same_pairs(root, form):
    write(root, form)
    pairs, facts, drops = read(root, Settings(columns=MAPPED))
    validate_pairs(pairs, "t", {"phash": str})
    assert pairs["id"].tolist() == ["a", "b", "c"]
    assert pairs["text"].tolist() == TITLES
    assert pairs["date"].tolist() == ["2019-03-01", "2019-01-01", "2019-02-01"]
    assert pairs["source"].tolist() == ["north", "south", "north"]
    assert facts[["width", "height"]].values.tolist() == [[160, 120]] * 3
    assert drops.frame().empty


def test_usual_names_need_no_mapping(root):
    names = {"key": "id", "file": "image", "headline": "title", "day": "date", "outlet": "source"}
    table().rename(columns=names).to_csv(root / "pairs.csv", index=False)
    (root / "card.json").write_text("{}")  # a sample corpus's own card is no table
    pairs = read(root).pairs
    assert pairs["id"].tolist() == ["a", "b", "c"]
    split = with_splits(pairs, {"train": 0.67, "validation": 0.33}, 0, Settings.in_time)["split"]
    assert split.tolist() == ["validation", "train", "train"]  # north is cut in time, south is one


def test_rows_that_cannot_be_used_are_named(root):
    lines = [
        b"id,image,title",
        b"1,images/0.jpg,Fine",
        b"2,images/9.jpg,No such picture",
        b"3,images/1.jpg,",
        b"4,,No picture",
        b"5,https://news.example/1.jpg,An address",
        b"6,../1.jpg,Outside",
        b"7,images/1.jpg,Too,many",
        b"1,images/1.jpg,Same id",
        b"\x81\x8d,images/1.jpg,no text",
        'Ä,images/1.jpg,"Café\nover two lines"'.encode("cp1252"),
        "9,images/2.jpg,Harvest Ã¢â‚¬â€œ festival".encode(),
    ]
    (root / "pairs.csv").write_bytes(b"\n".join(lines) + b"\n")
    reading = read(root)
    assert reading.pairs["text"].tolist() == [
        "Fine", "Café over two lines", "Harvest – festival",
    ]  # fmt: skip
    assert reading.facts["encoding"].tolist() == ["utf-8", "cp1252", "utf-8, mojibake"]
    assert reasons(reading) == {
        "1": "dropped: second row of the same id",
        "2": "dropped: broken image: no such file",
        "3": "dropped: empty title",
        "4": "dropped: no picture is named",
        "5": "dropped: picture is an address, not a file",
        "6": "dropped: picture lies outside the data set's folder",
        "9": "kept: mojibake repaired",
        "pairs.csv:8": "dropped: malformed row: not as many cells as columns",
        "pairs.csv:10": "dropped: row is neither UTF-8 nor Windows-1252",
        "Ä": "kept: row read as cp1252",
    }


@pytest.fixture
def tests(root, tmp_path):
    """A pairs table with one test and one training article, to be kept out of the pairs."""
    picture(tmp_path / "test.jpg", 1, quality=40)  # picture 1 again, re-encoded
    picture(tmp_path / "other.jpg", 2)
    row = dict.fromkeys([*COLUMNS, "original", "phash"], "") | {"lang": "en", "image": "x.jpg"}
    rows = [
        row | {"id": "p1/7", "split": "test", "text": "Another title",
               "phash": hex_hash(inspect(tmp_path / "test.jpg").hash)},
        row | {"id": "rt/8", "split": "test", "text": "Rain", "original": f"{TITLES[0].upper()}!"},
        row | {"id": "rt/9", "split": "train", "text": TITLES[2],
               "phash": hex_hash(inspect(tmp_path / "other.jpg").hash)},
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    write_pairs(frame.assign(group=frame["id"]), tmp_path / "newsimages.parquet")
    return str(tmp_path / "newsimages.parquet")


def test_pictures_and_titles_of_tests_are_left_out_and_named(root, tests):
    write(root, "csv")
    reading = read(root, Settings(columns=MAPPED, exclude=[tests]))
    assert reading.pairs["id"].tolist() == ["c"]  # what only training rows share may stay
    frame = reading.drops.frame().set_index("id")
    assert frame.loc["a", ["file", "reason"]].tolist() == [
        "t.csv:2 = rt/8",
        "has the title of a test article",
    ]
    assert frame.loc["b", ["file", "reason"]].tolist() == [
        "images/1.jpg = p1/7",
        "has the picture of a test article",
    ]


def test_the_distance_is_honoured_and_plain_pictures_match_nothing():
    hashes = np.array([0b1011, 0b0100, 0], np.uint64)
    assert same_pictures(hashes, [("t", 0b1111)], 1) == ["t", "", ""]
    assert same_pictures(hashes, [("t", 0b1111)], 3) == ["t", "t", ""]
    assert same_pictures(hashes, [("t", 0b1111)], 4) == ["t", "t", ""]


def test_an_exclude_table_that_is_missing_or_of_another_kind_is_refused(root, tmp_path):
    write(root, "csv")
    with pytest.raises(PairsError, match="none.parquet: no such file"):
        read(root, Settings(columns=MAPPED, exclude=[str(tmp_path / "none.parquet")]))
    write_pairs(
        read(root, Settings(columns=MAPPED)).pairs.drop(columns="phash"), tmp_path / "o.parquet"
    )
    with pytest.raises(PairsError, match="o.parquet, header, column 'phash': missing"):
        read(root, Settings(columns=MAPPED, exclude=[str(tmp_path / "o.parquet")]))


def test_n24news(tmp_path):
    for number in range(2):
        picture(tmp_path / "imgs" / f"im{number}.jpg", number)
    record = {"section": "Health", "abstract": "…", "caption": "…", "image_url": "https://x"}
    address = "https://www.nytimes.com/2019/11/06/science/story.html"
    for number, name in enumerate(["train", "dev"]):
        file = tmp_path / "news" / f"nytimes_{name}.json"
        file.parent.mkdir(exist_ok=True)
        found = {"headline": TITLES[number], "image_id": f"im{number}", "article_url": address}
        file.write_text(json.dumps([record | found]))
    pairs = read(tmp_path, Settings(preset="n24news")).pairs
    assert pairs[["id", "image", "source", "date"]].values.tolist() == [
        ["im1", "imgs/im1.jpg", "n24news", "2019-11-06"],
        ["im0", "imgs/im0.jpg", "n24news", "2019-11-06"],
    ]


def test_nytimes800k_pairs_a_title_with_its_leading_picture(tmp_path):
    picture(tmp_path / "images_processed" / "beef.jpg", 1)
    article = {
        "_id": {"$oid": "5a"},
        "headline": {"main": TITLES[0]},
        "web_url": "https://www.nytimes.com/2015/02/03/us/story.html",
        "image_positions": [1, 2],
        "parsed_section": [
            {"type": "paragraph", "text": "…"},
            {"type": "caption", "hash": "beef", "text": "…"},
            {"type": "caption", "hash": "cafe", "text": "…"},
        ],
    }
    bare = {"_id": {"$oid": "5b"}, "headline": {"main": TITLES[1]}, "image_positions": []}
    lines = [json.dumps(article), json.dumps(bare), "{not json"]
    (tmp_path / "articles.json").write_text("\n".join(lines))
    reading = read(tmp_path, Settings(preset="nytimes800k"))
    assert reading.pairs[["id", "image", "text", "date"]].values.tolist() == [
        ["5a", "images_processed/beef.jpg", TITLES[0], "2015-02-03"]
    ]
    assert reasons(reading) == {
        "5b": "dropped: no picture is named",
        "articles.json:3": "dropped: line is no JSON object",
    }


def test_breakingnews_with_columns_laid_over(root):
    table().to_json(root / "articles.jsonl", orient="records", lines=True)
    pairs = read(root, Settings(preset="breakingnews", columns=MAPPED)).pairs
    assert pairs["text"].tolist() == TITLES


def test_address_date():
    assert address_date("https://x/2019/11/06/a.html") == "2019-11-06"
    assert address_date("https://x/2019/a.html") == address_date("") == ""


def test_wrong_tables_and_columns_are_one_line(root):
    with pytest.raises(LayoutError, match="expected one table .*; found images/"):
        read(root)
    with pytest.raises(LayoutError, match=r"no table a\*.csv; found images/"):
        read(root, Settings(table="a*.csv"))
    write(root, "csv")
    with pytest.raises(LayoutError, match="t.csv, header, column 'headlin': missing; did you mean"):
        read(root, Settings(columns=MAPPED | {"text": "headlin"}))
    with pytest.raises(LayoutError, match=r"column 'image': missing; found key.*columns.image"):
        read(root)
    (root / "t.csv").rename(root / "t.parquet")
    with pytest.raises(LayoutError, match="t.parquet: not a parquet file"):
        read(root)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("preset: n24", "data.news_pairs.preset: must be one of n24news"),
        ("columns: {picture: x}", "data.news_pairs.columns.picture: unknown; there are id, image"),
        ("image_path: imgs/x.jpg", "data.news_pairs.image_path: must hold {}"),
        ("exclude_distance: 40", "data.news_pairs.exclude_distance"),
        ("max_pairs: -1", "data.news_pairs.max_pairs"),
    ],
)
def test_settings_errors_name_the_key(tmp_path, text, key):
    config = tmp_path / "c.yaml"
    config.write_text(f"data:\n  news_pairs:\n    {text}\n")
    with pytest.raises(ParamsError, match=key):
        load_settings("news_pairs", config)
