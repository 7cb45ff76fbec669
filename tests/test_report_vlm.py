"""The page of the vision-language study: what it shows, and what it must not."""

import re

import pandas as pd
import pytest

from lib.report import vlm as page
from lib.report.headline import OPEN, UNJUDGED
from lib.vlm import UNTRAINED
from lib.vlm.study import FILES


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "sample"
    return out, page.write_vlm(page.load("", "", True, 50), out)[page.PAGE]


def test_the_page_marks_untrained_models_and_ranks_none(written):
    out, head = written
    text = (out / "vlm.html").read_text()
    assert "Code path only" in text
    assert UNTRAINED in text
    assert not any("AUC" in words for _, words in head.numbers)
    assert head.verdict == UNJUDGED
    assert head.sentence.startswith("tiny start from random weights")
    assert text.count("<li>") >= len(page.DEFECTS)
    for name in ("vlm_systems", "vlm_gains", "vlm_estimate", "vlm_published"):
        assert (out / "tables" / f"{name}.csv").is_file()
    assert (out / "figures" / "vlm_losses.svg").is_file()


def test_the_page_is_the_same_twice(written, tmp_path):
    out, _ = written
    again = tmp_path / "sample"
    page.write_vlm(page.load("", "", True, 50), again)
    for file in sorted(p for p in out.rglob("*") if p.is_file()):
        assert file.read_bytes() == (again / file.relative_to(out)).read_bytes(), file.name


def test_a_trained_model_has_its_auc_in_the_headline(tmp_path):
    made = page.made_up()
    made["costs"]["remark"] = ""
    found = page.Found(**made, sample=False, bootstrap=50)
    head = page.write_vlm(found, tmp_path)[page.PAGE]
    assert head.numbers[0][1].startswith("AUC of tiny")
    assert head.verdict == OPEN  # its scores were drawn at random
    assert re.search(r"changes the AUC .* by −?\.\d+ \[.*\] \(tiny, ours\)\.$", head.sentence)
    assert "Code path only" not in (tmp_path / "vlm.html").read_text()


def test_a_study_is_read_back_with_the_systems_of_notebook_02(tmp_path):
    made = page.made_up()
    for name in FILES:
        made[name].to_parquet(tmp_path / f"{name}.parquet")
    other = made["predictions"].query("system == 'tiny_ours'").assign(system="text_only")
    (tmp_path / "fnd").mkdir()
    other.to_parquet(tmp_path / "fnd" / "predictions.parquet")
    found = page.load(str(tmp_path), str(tmp_path / "fnd"), True, 50)
    assert set(found.predictions["system"]) == {"tiny_zero_shot", "tiny_ours", "text_only"}
    pd.testing.assert_frame_equal(found.costs, made["costs"])
    page.write_vlm(found, tmp_path / "out")
    assert "text_only" in (tmp_path / "out" / "vlm.html").read_text()


def test_the_estimate_is_not_called_a_number_of_the_paper(written):
    text = (written[0] / "vlm.html").read_text()
    sources = dict(re.findall(r'id="(vlm_\w+)">\n<figcaption>.*>([^<]+)</a></figcaption>', text))
    assert sources["vlm_estimate"] == "lib/vlm/estimate.py"
    assert sources["vlm_published"] == "print"  # of no file, as the study is made up
