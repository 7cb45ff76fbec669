"""Submission files: round trip, and one line for every way to get them wrong."""

import pandas as pd
import pytest

from lib.retrieval.submission import (
    SubmissionError,
    read_submission,
    validate_submission,
    write_submission,
)

IMAGES = [f"{i:032X}" for i in range(150)]
ARTICLES = ["8442", "3050", "17"]


def run_of(articles=ARTICLES, length=100):
    rows = [
        (a, IMAGES[(i + n) % 150], i + 1) for n, a in enumerate(articles) for i in range(length)
    ]
    return pd.DataFrame(rows, columns=["query", "image", "rank"])


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "p1_run1.tsv"
    write_submission(run_of(), path)
    return path


def change(path, line, edit):
    """Apply `edit` to the fields of a line (counted from 1)."""
    lines = [text.split("\t") for text in path.read_text().splitlines()]
    lines[line - 1] = edit(lines[line - 1])
    path.write_text("\n".join("\t".join(fields) for fields in lines) + "\n")


@pytest.mark.parametrize("header", [True, False])
def test_round_trip(tmp_path, header):
    run, path = run_of(), tmp_path / "new" / "run.tsv"
    shuffled = run.sample(frac=1, random_state=0).sort_values(
        "query", key=lambda q: q.map(ARTICLES.index), kind="stable"
    )
    write_submission(shuffled, path, header=header)
    assert len(path.read_text().splitlines()) == 3 + header
    assert validate_submission(path, ARTICLES, IMAGES) == []
    assert read_submission(path, ARTICLES, IMAGES).equals(run)
    assert [p.name for p in path.parent.iterdir()] == ["run.tsv"]


def test_article_names_that_are_no_numbers(tmp_path):
    path = tmp_path / "run.tsv"
    write_submission(run_of(["p1-1", "p1-2"]), path, header=False)
    assert len(read_submission(path, ["p1-1", "p1-2"])) == 200
    write_submission(run_of(["p1-1", "p1-2"]), path, header=True)
    assert len(read_submission(path, ["p1-1", "p1-2"])) == 200


def test_windows_line_ends_and_bom(path):
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert validate_submission(path, ARTICLES, IMAGES) == []


@pytest.mark.parametrize(
    ("line", "edit", "message"),
    [
        (2, lambda f: f[:-1], "line 2, article 8442: 99 images, must be 100"),
        (3, lambda f: [*f, IMAGES[140]], "line 3, article 3050: 101 images, must be 100"),
        (3, lambda f: [*f[:-1], f[1]], f"line 3, article 3050: image {IMAGES[1]} stands there 2 "),
        (4, lambda f: [*f[:-1], "XYZ"], "line 4, article 17: image XYZ not in the test set"),
        (4, lambda f: [*f[:-2], "X", "Y"], "image X and 1 more not in the test set"),
        (4, lambda f: ["8442", *f[1:]], "line 4, article 8442: the article already stands in line"),
        (4, lambda f: ["18", *f[1:]], "line 4, article 18: not an article of the test set"),
        (4, lambda f: ["18", *f[1:]], "article 17 has no row"),
        (4, lambda f: ["", *f[1:]], "line 4, article (empty): not an article"),
    ],
)
def test_each_defect_is_one_line(path, line, edit, message):
    change(path, line, edit)
    defects = validate_submission(path, ARTICLES, IMAGES)
    assert any(message in defect for defect in defects), defects
    assert all(defect.startswith("p1_run1.tsv") and "\n" not in defect for defect in defects)
    with pytest.raises(SubmissionError):
        read_submission(path, ARTICLES, IMAGES)


def test_many_defects_are_cut_in_the_message_only(tmp_path):
    path = tmp_path / "run.tsv"
    path.write_text("".join(f"{i}\tA\n" for i in range(50)))
    with pytest.raises(SubmissionError, match=r"\.\.\. and 30 more") as caught:
        read_submission(path)
    assert len(caught.value.defects) == 50


def test_nothing_is_written_from_a_bad_run(tmp_path):
    with pytest.raises(SubmissionError, match="article 8442: 99 images, must be 100"):
        write_submission(run_of(length=99), tmp_path / "run.tsv")
    assert list(tmp_path.iterdir()) == []


def test_missing_and_empty_files(tmp_path):
    with pytest.raises(SubmissionError, match="none.tsv: no such file"):
        read_submission(tmp_path / "none.tsv")
    (tmp_path / "empty.tsv").write_text("")
    assert validate_submission(tmp_path / "empty.tsv") == ["empty.tsv: no article"]
