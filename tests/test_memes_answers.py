"""Answer files: written, read, refused with file, row and reason, and scored as MAMI does."""

import numpy as np
import pandas as pd
import pytest

from lib.data.readers.mami import LABELS
from lib.memes.answers import AnswerError, file_names, main, read, score, write
from lib.memes.scores import task_a, task_b
from lib.schema import write_pairs

NAMES = ["3.jpg", "1.jpg", "2.jpg"]
FLAGS = np.array([[1, 0, 1, 0, 0], [0, 0, 0, 0, 0], [1, 1, 0, 0, 1]])


def text_file(tmp_path, text: str):
    file = tmp_path / "answer.txt"
    file.write_text(text)
    return file


def defects(file, names=None) -> list[str]:
    with pytest.raises(AnswerError) as error:
        read(file, names)
    return error.value.defects


@pytest.mark.parametrize("flags", [FLAGS, FLAGS[:, 0]])
def test_what_is_written_is_read_in_the_order_asked_for(tmp_path, flags):
    file = write(tmp_path / "new" / "answer.txt", NAMES, flags)
    assert file.read_text().splitlines()[0].split("\t")[:2] == ["3.jpg", "1"]
    table = read(file, sorted(NAMES))
    assert table["file_name"].tolist() == sorted(NAMES)
    wide = flags.reshape(3, -1)
    assert list(table.columns) == ["file_name", *LABELS[: wide.shape[1]]]
    assert (table.drop(columns="file_name").to_numpy() == wide[[1, 2, 0]]).all()
    assert [path.name for path in file.parent.iterdir()] == ["answer.txt"]


def test_every_defect_names_its_row_and_column(tmp_path):
    file = text_file(tmp_path, "3.jpg\t1\n1.jpg\tyes\n3.jpg\t0\n9.jpg\t0\n4.jpg 0\n")
    found = defects(file, NAMES)
    assert [line.partition("answer.txt")[2] for line in found] == [
        ", row 2, column 'misogynous': must be 0 or 1, not 'yes'",
        ", row 5: 0 flags instead of 1, separated by tabs",
        ", row 3, column 'file_name': '3.jpg' is answered in row 1 already",
        ", row 4, column 'file_name': no test meme '9.jpg'",
        ", row 5, column 'file_name': no test meme '4.jpg 0'",
        ": no row for '2.jpg'",
    ]


def test_missing_and_empty_files_are_refused(tmp_path):
    assert defects(tmp_path / "none.txt")[0].endswith("none.txt: no such file")
    assert defects(text_file(tmp_path, ""))[0].endswith("answer.txt: is empty")


@pytest.mark.parametrize("flags", [FLAGS[:, :3], FLAGS[:2], FLAGS * 2])
def test_flags_that_are_no_answer_are_not_written(tmp_path, flags):
    with pytest.raises(AnswerError, match=r"^flags"):
        write(tmp_path / "answer.txt", NAMES, flags)
    assert not list(tmp_path.iterdir())


def test_scores_are_the_official_ones_whatever_the_order(tmp_path):
    rng = np.random.default_rng(0)
    truth, guess = (rng.integers(0, 2, (40, 5)) for _ in range(2))
    names = [f"{n}.jpg" for n in range(40)]
    order = rng.permutation(40)
    gold = read(write(tmp_path / "truth.txt", names, truth))
    mine = read(write(tmp_path / "a.txt", [names[i] for i in order], guess[order]))
    assert score(mine, gold) == {
        "task_a": task_a(truth[:, 0], guess[:, 0]),
        "task_b": task_b(truth[:, 1:], guess[:, 1:]),
    }
    assert list(score(mine.iloc[:, :2], gold)) == ["task_a"]
    with pytest.raises(AnswerError, match=r"stands in one of the two files alone"):
        score(mine.iloc[1:], gold)


def test_the_command_line_checks_and_scores(tmp_path, capsys):
    rows = {"id": [f"test/{n[:-4]}" for n in NAMES], "image": ["test/3.jpg", "", "test/2.jpg"],
            "text": ["a", "b", "c"], "lang": "en", "split": "test", "date": "", "source": "test",
            "group": ["x", "y", "z"]}  # fmt: skip
    pairs = pd.DataFrame(rows)
    write_pairs(pairs, tmp_path / "pairs.parquet")
    assert file_names(pairs) == NAMES
    answer = str(write(tmp_path / "answer.txt", NAMES, FLAGS * 0))
    truth = str(write(tmp_path / "truth.txt", NAMES, FLAGS))
    assert main(["check", answer, "--pairs", str(tmp_path / "pairs.parquet")]) == 0
    assert capsys.readouterr().out.endswith("answer.txt: 3 memes, task A and B; all negative\n")
    assert main(["score", answer, "--truth", truth]) == 0
    assert capsys.readouterr().out.startswith("task_a 0.250000000000, task_b ")
    assert main(["score", str(tmp_path / "no.txt"), "--truth", truth]) == 1
    assert capsys.readouterr().err.endswith("no.txt: no such file\n")
