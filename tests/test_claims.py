"""Every headline number is where the claims file says, and a moved number is caught."""

import re

import pytest

from lib import claims
from lib.paths import ROOT

TABLE = "system,accuracy\na,0.5\nb,0.75\n"
CLAIM = claims.Claim("b is right", "t.csv", "accuracy", 0.75, 0.01, {"system": "b"})


@pytest.fixture
def root(tmp_path):
    (tmp_path / "t.csv").write_text(TABLE)
    return tmp_path


def test_the_committed_report_holds_every_claim():
    assert claims.broken(claims.read_claims(ROOT / claims.FILE)) == []


def test_every_decimal_of_the_readme_s_results_is_a_claim():
    section = (ROOT / "README.md").read_text().partition("## Results on the sample")[2]
    printed = set(re.findall(r"(?<![\d.])-?\.\d+", section.partition("\n## ")[0]))
    values = {c.value for c in claims.read_claims(ROOT / claims.FILE)}
    claimed = {f"{value:.{n}f}".replace("0.", ".", 1) for value in values for n in (2, 3)}
    assert printed
    assert printed <= claimed


def test_a_number_that_moved_is_named(root):
    assert claims.broken([CLAIM], root) == []
    (root / "t.csv").write_text(TABLE.replace("0.75", "0.72"))
    assert claims.broken([CLAIM], root) == ["b is right: claimed 0.75, t.csv has 0.7200"]
    (root / "t.csv").write_text(TABLE.replace("0.75", ""))
    assert len(claims.broken([CLAIM], root)) == 1  # no number is not the number


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"file": "u.csv"}, "u.csv: no such file"),
        ({"key": "f1"}, "no column 'f1'"),
        ({"where": {"system": "c"}}, "0 rows with"),
        ({"where": {}}, "2 rows with"),
    ],
)
def test_a_claim_without_a_number_is_one_line(root, change, line):
    with pytest.raises(claims.ClaimError, match=line) as caught:
        claims.found(claims.Claim(**(vars(CLAIM) | change)), root)
    assert "\n" not in str(caught.value)


def test_a_tolerance_that_lets_everything_pass_is_refused():
    with pytest.raises(claims.ClaimError, match="tolerance"):
        claims.Claim("x", "t.csv", "accuracy", 0.5, 0.5).validate()
