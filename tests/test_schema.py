"""The pairs table's schema: every defect is one line; files are whole and repeatable."""

import os

import pandas as pd
import pytest

from lib import schema
from lib.schema import PairsError, read_pairs, validate_pairs, write_pairs


@pytest.fixture
def pairs() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "id": ["a", "b", "c"],
            "image": ["img/a.jpg", "img/b.jpg", "img/c.jpg"],
            "text": ["one", "", "three words here"],
            "lang": ["en", "und", "de"],
            "split": ["train", "validation", ""],
            "date": ["2023-04-01", "", "2023-04-01T09:30:00"],
            "source": ["ny", "", "ny"],
            "group": ["a", "a", "c"],
            "label": ["/b/bridge", "none", ""],
        }
    )


LABELS = {"label": ["/b/bridge", "none", ""]}


def test_valid_table_passes_and_columns_are_ordered(pairs):
    shuffled = pairs[sorted(pairs.columns)]
    assert list(validate_pairs(shuffled, "t", LABELS).columns) == [*schema.COLUMNS, "label"]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("id", "b", "is not unique"),
        ("id", " a", "without space"),
        ("image", "/img/a.jpg", "relative to the root"),
        ("image", "../a.jpg", "relative to the root"),
        ("image", "img\\a.jpg", "relative to the root"),
        ("text", "two  spaces", "white space"),
        ("text", "line\nbreak", "white space"),
        ("text", None, "is missing"),
        ("text", 7, "must be text"),
        ("lang", "English", "ISO 639"),
        ("split", "dev", "must be one of 'train'"),
        ("date", "01.04.2023", "ISO 8601"),
        ("date", "2023-02-30", "ISO 8601"),
        ("date", "2023-04-01T99:00", "ISO 8601"),
        ("date", "2023-4-1", "ISO 8601"),
        ("group", "", "without space"),
        ("label", "/b/brige", "must be one of '/b/bridge'"),
    ],
)
def test_each_defect_is_one_line_with_file_row_column(pairs, column, value, reason):
    pairs[column] = pairs[column].astype(object)
    pairs.loc[0, column] = value
    with pytest.raises(PairsError) as error:
        validate_pairs(pairs, "table.parquet", LABELS)
    line = error.value.defects[0]
    assert line.startswith(f"table.parquet, row 1, column '{column}': ")
    assert reason in line
    assert "\n" not in line


def test_all_defects_are_reported_together(pairs):
    pairs.loc[0, "lang"] = "English"
    pairs.loc[2, "split"] = "dev"
    with pytest.raises(PairsError) as error:
        validate_pairs(pairs, "t", LABELS)
    assert [line.split(":")[0] for line in error.value.defects] == [
        "t, row 1, column 'lang'",
        "t, row 3, column 'split'",
    ]


def test_a_row_may_lack_picture_or_text_but_not_both(pairs):
    validate_pairs(pairs.assign(image=["", "img/b.jpg", "img/c.jpg"]), "t", LABELS)
    with pytest.raises(PairsError) as error:
        validate_pairs(pairs.assign(image=""), "t", LABELS)
    assert error.value.defects == ["t, row 2, column 'image': neither picture nor text"]


def test_long_error_is_cut_but_counted(pairs):
    many = pd.concat([pairs] * 20, ignore_index=True)
    with pytest.raises(PairsError) as error:
        validate_pairs(many, "t", LABELS)
    assert len(error.value.defects) == 60
    assert str(error.value).splitlines()[-1] == "... and 40 more"


def test_columns_missing_extra_and_undeclared(pairs):
    broken = pairs.drop(columns="date").assign(width=3)
    with pytest.raises(PairsError) as error:
        validate_pairs(broken, "t")
    assert error.value.defects == [
        "t, header, column 'date': missing",
        "t, header, column 'label': neither a standard column nor a declared label",
        "t, header, column 'width': neither a standard column nor a declared label",
    ]


def test_label_types(pairs):
    table = pairs.assign(score=[1, 0, 2])
    assert "score" in validate_pairs(table, "t", {**LABELS, "score": int})
    with pytest.raises(PairsError, match="row 1, column 'score': must be of type str"):
        validate_pairs(table, "t", {**LABELS, "score": str})


def test_round_trip_is_exact_and_repeatable(pairs, tmp_path):
    write_pairs(pairs, tmp_path / "a" / "one.parquet")
    write_pairs(pairs, tmp_path / "two.parquet")
    one, two = (
        (tmp_path / "a" / "one.parquet").read_bytes(),
        (tmp_path / "two.parquet").read_bytes(),
    )
    assert one == two
    pd.testing.assert_frame_equal(read_pairs(tmp_path / "two.parquet"), pairs)


def test_invalid_table_is_not_written_and_old_file_stays(pairs, tmp_path):
    path = tmp_path / "pairs.parquet"
    write_pairs(pairs, path)
    before = path.read_bytes()
    with pytest.raises(PairsError):
        write_pairs(pairs.assign(split="dev"), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["pairs.parquet"]


def test_failed_write_leaves_nothing(pairs, tmp_path, monkeypatch):
    def fail(table, file, **_):
        file.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(schema.parquet, "write_table", fail)
    with pytest.raises(OSError, match="disk full"):
        write_pairs(pairs, tmp_path / "pairs.parquet")
    assert os.listdir(tmp_path) == []


def test_reading_what_is_no_table(tmp_path):
    with pytest.raises(PairsError, match="no such file"):
        read_pairs(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"not parquet at all")
    with pytest.raises(PairsError, match="bad.parquet: not a readable parquet file") as error:
        read_pairs(tmp_path / "bad.parquet")
    assert len(str(error.value).splitlines()) == 1
