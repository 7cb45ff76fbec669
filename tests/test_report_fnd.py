"""The page of the fake-news study: whole, the same every time, no network, no real picture."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lib.fnd import findings
from lib.fnd.findings import claims, slices
from lib.report import html
from lib.report.fnd import modality, pages, smoke, thresholds
from lib.report.fnd import systems as system_sections
from lib.report.headline import UNJUDGED
from lib.report.writer import Settings, Writer

SETTINGS = Settings(bootstrap=20, sheet=8)
SYSTEMS = ("majority", "always_positive", "outlet_only", "similarity_logistic", "text_only",
           "image_only", "bert_resnet_concat", "bert_resnet_concat_norm", "spotfake", "fnd_clip",
           "gated_interaction")  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fnd")
    smoke.write_study(folder, 160, 2, SYSTEMS)
    made = folder / "predictions", folder / "pairs.parquet"
    return findings.read(*made, folder, bootstrap=20), folder


@pytest.fixture(scope="module")
def page(study, tmp_path_factory):
    out = tmp_path_factory.mktemp("reports") / "sample"
    head = pages.write_fnd(study[0], out, SETTINGS, study[1])[pages.PAGE]
    return out, head, (out / "fnd.html").read_text(encoding="utf-8")


def test_the_page_is_whole_and_loads_nothing(page):
    out, head, text = page
    assert html.external(text) == []
    dead = html.broken_links([out / "fnd.html"])  # the pages around it are not written here
    assert [link for link in dead if not re.search("notebooks/|index|data.html", link)] == []
    assert len(head.numbers) == 4
    for title in ("Paper against ours", "What the papers got wrong", "Limits", "Precision or"):
        assert title in text
    assert "TruBIAS" in text


def test_every_figure_and_table_has_its_data_beside_it(page):
    out, _, text = page
    figures = re.findall(r'src="figures/([^"]+)\.(?:svg|png)"', text)
    assert len(figures) >= 12
    for name in figures:
        assert (out / "figures" / f"{name}.csv").is_file(), name
    for name in re.findall(r'href="tables/([^"]+)"', text):
        assert len(pd.read_csv(out / "tables" / name)), name


def test_trivial_rules_and_prevalence_stand_in_the_tables(page):
    out, _, _ = page
    for name in ("fnd_systems", "fnd_systems_half", "fnd_scores", "fnd_ours", "fnd_protocols"):
        table = pd.read_csv(out / "tables" / f"{name}.csv")
        assert "prevalence" in table, name
        assert table["title"].isin(["Majority class", "Always Likely"]).any(), name


def test_the_explorer_holds_the_counts_of_every_threshold(study, page):
    found, text = study[0], page[2]
    data = json.loads(re.search(r'<script type="application/json">(.*?)</script>', text)[1])
    table = slices.thresholds(found)
    assert set(data) == set(table["title"])
    rows = np.array(data["FND-CLIP (paper)"])
    assert rows.shape == (101, 4)
    assert np.allclose(rows.sum(1), len(found.board().y), atol=0.3)
    assert rows[0, 2:].tolist() == [0, 0]  # at threshold 0 all are flagged
    assert "</" not in json.dumps(data)


def test_titles_cannot_end_the_script(study):
    table = slices.thresholds(study[0]).assign(title="</script><b>")
    made = thresholds.explorer(table, 0.5)
    assert made.count("</script>") == 2
    assert "<b>" not in made.partition("<style>")[0].replace("<\\/script><b>", "")


def test_confusion_counts_are_those_of_the_tuned_thresholds(study):
    found = study[0]
    row = thresholds.confusion(found).set_index("system").loc["fnd_clip"]
    recall = row["tp"] / (row["tp"] + row["fn"])
    assert recall == pytest.approx(found.board().row("fnd_clip", ["recall"])["recall"])


def test_writing_twice_gives_the_same_bytes(study, page, tmp_path):
    again = Writer(tmp_path, True)
    made = (
        system_sections.hypotheses(study[0], claims.check(study[0]), again),
        thresholds.confidence(study[0], again),
    )
    assert all(section.render() in page[2] for section in made)
    files = [file for file in tmp_path.rglob("*.*") if file.is_file()]
    assert len(files) >= 10
    for file in files:
        other = page[0] / file.relative_to(tmp_path)
        assert file.read_bytes() == other.read_bytes(), file.name


def test_real_headlines_and_pictures_stay_hidden(study, tmp_path):
    found, folder = study
    parts = {name: getattr(found, name) for name in findings.FILES}
    real = findings.Findings(**parts, pairs=found.pairs, sample=False, bootstrap=20)
    section = modality.examples(real, Writer(tmp_path, False), SETTINGS, folder)
    assert "OpenMoji" not in section.render()
    assert "text" not in pd.read_csv(tmp_path / "figures" / "fnd_examples.csv")
    hidden = (tmp_path / "figures" / "fnd_examples.png").read_bytes()
    shown = replace(SETTINGS, show_content=True)
    modality.examples(real, Writer(tmp_path, False), shown, folder)
    assert (tmp_path / "figures" / "fnd_examples.png").read_bytes() != hidden


def test_without_pictures_the_text_systems_make_a_page(study, tmp_path):
    found = study[0]
    texts = found.systems[found.systems["system"].isin(["majority", "outlet_only", "text_only"])]
    rows = found.predictions[found.predictions["system"].isin(texts["system"])]
    less = replace(found, predictions=rows, attention=found.attention.head(0), systems=texts,
                   pairs=found.pairs.assign(image=""), sample=False)  # fmt: skip
    head = pages.write_fnd(less, tmp_path, SETTINGS, None)[pages.PAGE]
    assert head.verdict == UNJUDGED
    assert "could not be run" in head.sentence
    assert head.figure == ""
    assert head.numbers[-1][1].startswith("fake-F1 of calling everything Likely")
    assert "the data hold no pictures" in (tmp_path / "fnd.html").read_text()
    assert system_sections.counts(less).startswith("Test articles: story split")
