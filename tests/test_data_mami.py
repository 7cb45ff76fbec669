"""The MAMI reader: the official layout and TIB-VA's, labels from anywhere, nothing lost."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from lib.data.readers import LayoutError
from lib.data.readers.mami import LABELS, UNKNOWN, Settings, read
from lib.data.readers.mami.cleaning import STEPS, clean
from lib.data.splits import crossing_groups
from lib.schema import PairsError, validate_pairs

DATA = Path(__file__).parent / "data" / "mami"
ALLOWED = dict.fromkeys(LABELS, (UNKNOWN, 0, 1))


@pytest.fixture
def official(tmp_path) -> Path:
    return Path(shutil.copytree(DATA / "official", tmp_path / "mami"))


def events(reading) -> set[tuple[str, str]]:
    frame = reading.drops.frame()
    return set(zip(frame["id"], frame["outcome"] + ": " + frame["reason"], strict=True))


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_official_layout_gives_a_valid_table_with_its_splits():
    pairs, facts, _ = read(DATA / "official")
    validate_pairs(pairs, "t", ALLOWED)
    assert pairs["id"].tolist() == [
        "training/1", "training/2", "training/3", "training/4", "training/7",
        "test/1", "test/12", "test/13", "test/14",
    ]  # fmt: skip
    assert pairs["split"].tolist() == ["train"] * 5 + ["test"] * 4
    assert pairs["image"].tolist()[3:6] == ["TRAINING/4.JPG", "TRAINING/7.jpg", "test/1.jpg"]
    assert facts["id"].tolist() == pairs["id"].tolist()
    assert facts["hash"][:7].nunique() == 7
    assert crossing_groups(pairs).empty


def test_labels_of_five_columns_come_from_the_table_or_the_label_file():
    pairs = read(DATA / "official").pairs.set_index("id")[list(LABELS)]
    assert pairs.loc["training/2"].tolist() == [1, 0, 1, 0, 0]
    assert pairs.loc["test/12"].tolist() == [1, 0, 0, 0, 1]
    assert pairs.loc["test/13"].tolist() == [1, 0, 1, 1, 0]


def test_quotes_lines_tabs_and_mojibake_in_a_text():
    text = read(DATA / "official").pairs.set_index("id")["text"]
    assert text["training/1"] == "my robot made breakfast"
    assert text["training/2"] == 'all robots say "beep" and nothing else'
    assert text["training/3"] == 'look at this "rusty toaster with legs'
    assert text["training/4"] == "café robot"


def test_every_drop_and_remark_is_named():
    assert events(read(DATA / "official")) == {
        ("row 8", "dropped: no picture's name in front, or too few columns"),
        ("training/1", "dropped: second row of the same meme"),
        ("training/4", "kept: misogynous without a type"),
        ("training/4", "kept: mojibake repaired"),
        ("training/5", "dropped: picture is missing"),
        ("training/7", "kept: empty text"),
        ("training/7", "kept: type without misogynous"),
        ("test/13", "kept: picture is missing: test meme kept without it"),
        ("test/14", "kept: no label"),
        ("test/14", "kept: picture is missing: test meme kept without it"),
        ("test/99.jpg", "kept: label without a meme"),
    }


def test_a_blind_test_set_has_unknown_labels(official):
    (official / "test_labels.txt").unlink()
    pairs = read(official).pairs
    assert (pairs.loc[pairs["split"] == "test", list(LABELS)] == UNKNOWN).all(axis=None)


def test_truth_with_a_header_in_another_order(official):
    (official / "test_labels.txt").unlink()
    header = "file_name\tviolence\tmisogynous\tshaming\tstereotype\tobjectification\n"
    (official / "truth.txt").write_text(header + "12.jpg\t1\t1\t0\t0\t0\n")
    assert read(official).pairs.set_index("id").loc["test/12", list(LABELS)].tolist() == [
        1, 0, 0, 0, 1,
    ]  # fmt: skip


def test_text_may_stand_before_the_labels(official):
    header = "file_name\tText Transcription\t" + "\t".join(LABELS)
    row = "1.jpg\ta robot\twith a tab\t1\t0\t0\t0\t1"
    (official / "TRAINING" / "training.csv").write_text(f"{header}\n{row}\n")
    first = read(official).pairs.iloc[0]
    assert first["text"] == "a robot with a tab"
    assert first[list(LABELS)].tolist() == [1, 0, 0, 0, 1]


def test_tib_va_copy_keeps_its_validation_split():
    pairs, _, drops = read(DATA / "tib")
    validate_pairs(pairs, "t", ALLOWED)
    assert pairs["split"].tolist() == ["train", "validation", "test"]
    assert pairs["image"].tolist() == ["images/1.jpg", "images/2.jpg", "images/3.jpg"]
    assert pairs["misogynous"].tolist() == [1, 0, 1]
    assert drops.frame().empty


def test_trial_memes_only_on_request_and_never_twice(official):
    trial = official / "trial"
    trial.mkdir()
    shutil.copy(official / "TRAINING" / "2.jpg", trial / "50.jpg")
    head = (official / "TRAINING" / "training.csv").read_text().splitlines()[0]
    rows = "2.jpg\t0\t0\t0\t0\t0\tagain\n50.jpg\t0\t0\t0\t0\t0\ta robot on trial\n"
    (trial / "trial.csv").write_text(f"{head}\n{rows}")
    assert "trial/50" not in set(read(official).pairs["id"])
    reading = read(official, Settings(trial=True))
    assert reading.pairs.set_index("id").loc["trial/50", "split"] == "train"
    assert ("trial/2", "dropped: trial meme that training has") in events(reading)


def test_broken_pictures_cost_a_training_row_but_no_test_row(official):
    (official / "TRAINING" / "2.jpg").write_bytes(b"<html>")
    (official / "test" / "12.jpg").write_bytes(b"")
    reading = read(official)
    pairs = reading.pairs.set_index("id")
    assert "training/2" not in pairs.index
    assert pairs.loc["test/12", "image"] == ""
    assert {("training/2", "dropped: broken image: not an image in a known format")} <= events(
        reading
    )


def test_bad_labels_are_named_by_file_row_and_column(official):
    edit(
        official / "TRAINING" / "training.csv",
        "1.jpg\t0\t0\t0\t0\t0\tmy robot  m",
        "1.jpg\t0\t2\t0\t\t0\tm",
    )
    edit(official / "test_labels.txt", "99.jpg", "12.jpg")
    with pytest.raises(PairsError) as error:
        read(official)
    lines = [line.partition("mami/")[2] for line in error.value.defects]
    assert lines == [
        "test_labels.txt, row 4, column 'file_name': '12.jpg' is labelled twice",
        "TRAINING/training.csv, row 1, column 'shaming': must be 0 or 1, not '2'",
        "TRAINING/training.csv, row 1, column 'objectification': must be 0 or 1, not ''",
    ]


def test_missing_columns_and_tables_are_one_line(official):
    edit(official / "TRAINING" / "training.csv", "stereotype", "stereotypes")
    with pytest.raises(PairsError, match=r"training.csv, header, column 'stereotype': missing"):
        read(official)
    (official / "TRAINING" / "training.csv").write_text("file_name,Text Transcription\n")
    with pytest.raises(PairsError, match=r"column 'file_name': missing, separated by tabs"):
        read(official)
    (official / "TRAINING" / "training.csv").rename(official / "memes.csv")
    with pytest.raises(LayoutError, match=r"expected TRAINING/training.csv.*found TRAINING/"):
        read(official)


def test_max_memes_takes_the_first_of_each_table():
    pairs = read(DATA / "official", Settings(max_memes=2)).pairs
    assert pairs["id"].tolist() == ["training/1", "training/2", "test/1", "test/12"]
    with pytest.raises(ValueError, match=r"^max_memes: "):
        Settings(max_memes=-1).validate()


TIGHT = r"\S+\.[(net)|(com)|(org)]\S+"  # the pattern as TIB-VA wrote it


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("See www.memes.com NOW", "see now"),
        ("wait...no really", "really"),  # ".n" looks like a URL to their pattern
        ("hello.there friend", "friend"),  # ".t" too
        ("end. over", "end over"),  # nothing follows the full stop
        ("MEMES.COM wins", "memes com wins"),  # capitals are no URL
        ("a http://x.y/z b", "a b"),
        ("HTTP://X.Y", "http x y"),
        ("4 u 2day", "u day"),
        ("don't", "don t"),
        ("don\u2019t", "dont"),  # not ASCII: dropped before punctuation becomes a blank
        ("caf\u00e9 \u4f60\u597d \ufb01n", "cafe fin"),
        ("snake_case _x_", "snake case x"),  # a word character to the punctuation step
        ("\tTabs\nand  blanks ", "tabs and blanks"),
        ("2019!!!", ""),
        ("", ""),
    ],
)
def test_cleaning_keeps_the_order_and_the_traps(text, expected):
    assert clean(text) == expected


def test_the_url_pattern_is_the_published_character_class():
    rng = np.random.default_rng(0)
    for letters in rng.choice(list("netcomrg()|xyA. _"), (300, 12)):
        text = "".join(letters)
        assert STEPS[0][0].sub("", text) == re.sub(TIGHT, "", text)


def test_a_cleaned_table_keeps_the_transcription_beside_it(official):
    plain, cleaned = read(official).pairs, read(official, Settings(clean=True)).pairs
    assert cleaned["original"].tolist() == plain["text"].tolist()
    assert cleaned["text"].tolist() == [clean(text) for text in plain["text"]]
    assert cleaned.columns.drop("original").tolist() == plain.columns.tolist()


def test_a_text_that_cleaning_empties_is_remarked(official):
    table = official / "test" / "Test.csv"
    name = table.read_text().splitlines()[1].split("\t")[0]
    lines = table.read_text().splitlines()
    lines[1] = f"{name}\t1511"
    table.write_text("\n".join(lines) + "\n")
    for settings, empty in ((Settings(), False), (Settings(clean=True), True)):
        found = {event for event in events(read(official, settings)) if "empty text" in event[1]}
        assert (("test/" + name.split(".")[0], "kept: empty text") in found) == empty
