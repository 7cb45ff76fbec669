"""Numbers as a journal prints them, and the three files of a table."""

import numpy as np
import pandas as pd
import pytest

from lib import tables


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.434, 2, ".43"), (1.0, 2, "1.00"), (-0.034, 2, "−.03"), (-0.0001, 2, ".00"),
        (12.5, 1, "12.5"), (np.nan, 2, "–"), (None, 2, "–"), (np.inf, 2, "∞"), (0.4, 0, "0"),
    ],
)  # fmt: skip
def test_number(value, digits, text):
    assert tables.number(value, digits) == text


def test_interval():
    assert tables.interval(0.43, 0.34, 0.53) == ".43 [.34, .53]"
    assert tables.interval(-0.03, -0.1, 0.04, 3) == "−.030 [−.100, .040]"
    assert tables.interval(0.43, np.nan, np.nan) == ".43"


@pytest.mark.parametrize(
    ("p", "text"), [(0.0004, "<.001"), (0.001, ".001"), (0.25, ".250"), (np.nan, "–")]
)
def test_p_value(p, text):
    assert tables.p_value(p) == text


@pytest.fixture
def frame():
    return pd.DataFrame(
        {
            "system": ["image", "a|b <c>"], "posts": [35354, 7], "share": [0.43, np.nan],
            "share_low": [0.34, np.nan], "share_high": [0.53, np.nan], "p": [0.0001, 0.2],
        }
    )  # fmt: skip


def test_display_merges_limits_into_one_cell(frame):
    shown = tables.display(frame, {"share": 2, "p": tables.p_value, "posts": tables.count})
    assert shown.columns.tolist() == ["system", "posts", "share", "p"]
    assert shown.iloc[0].tolist() == ["image", "35,354", ".43 [.34, .53]", "<.001"]
    assert shown.iloc[1]["share"] == "–"


def test_a_format_for_a_missing_column_is_named(frame):
    with pytest.raises(KeyError, match="no column 'shares', columns: system, posts"):
        tables.display(frame, {"shares": 2})


def test_files_of_a_table(frame, tmp_path):
    made = tables.write_table(frame, tmp_path, "t", "Shares", formats={"share": 2})
    assert pd.read_csv(made["csv"])["share_low"][0] == 0.34
    page, text = made["html"].read_text(), made["md"].read_text()
    assert "a|b &lt;c&gt;" in page
    assert 'data-v="0.43">.43 [.34, .53]<' in page
    assert 'data-v="">–<' in page
    assert "a\\|b <c>" in text
    assert tables.SAMPLE_LABEL in page
    assert tables.SAMPLE_LABEL in text


def test_cells_of_a_page_are_those_of_the_plain_walk_over_rows(frame):
    frame = frame.assign(good=[True, False], text=[None, "x"], whole=[3, 10**12])
    shown, page = tables.display(frame), tables.to_html(frame, "Shares")
    for (_, raw), (_, text) in zip(frame.iterrows(), shown.iterrows(), strict=True):
        plain = "".join(tables._cell(raw[column], text[column]) for column in shown.columns)
        assert f"<tr>{plain}</tr>" in page


def test_only_a_sample_is_called_one(frame, tmp_path):
    made = tables.write_table(frame, tmp_path, "t", "Shares", sample=False)
    assert tables.SAMPLE_LABEL not in made["html"].read_text() + made["md"].read_text()


def test_a_bad_format_writes_nothing(frame, tmp_path):
    with pytest.raises(KeyError):
        tables.write_table(frame, tmp_path / "new", "t", "Shares", formats={"x": 2})
    assert not (tmp_path / "new").exists()


def test_the_same_table_is_the_same_bytes(frame, tmp_path):
    first = tables.write_table(frame, tmp_path / "a", "t", "Shares")
    second = tables.write_table(frame, tmp_path / "b", "t", "Shares")
    assert all(first[k].read_bytes() == second[k].read_bytes() for k in first)
