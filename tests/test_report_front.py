"""The front page and where its numbers come from: computed, linked, the same on every machine."""

import json
import re
from types import SimpleNamespace

import pandas as pd
import pytest

from lib import paths, provenance
from lib.fnd.findings import claims
from lib.places.study import claims as places_claims
from lib.report import html, origin, site
from lib.report.fnd import systems
from lib.report.headline import (
    FAILS,
    HOLDS,
    MARKS,
    OPEN,
    UNJUDGED,
    Headline,
    judged,
    limits,
    listed,
)
from lib.report.memes import pages as memes
from lib.report.origin import Origin
from lib.report.retrieval import pages as retrieval
from lib.report.writer import Writer

HEAD = Headline([(".1 [.0, .2]", "a number")], "It helps.", "It adds .1.", OPEN, "drawn")
NUMBERS = pd.DataFrame({"a": [1.0], "b": [2.0]})


@pytest.mark.parametrize("rule", [claims, places_claims])
def test_a_claim_holds_only_where_every_comparison_does(rule):
    assert judged([rule.HOLDS, rule.HOLDS], rule) == HOLDS
    assert judged([rule.HOLDS, rule.OPEN], rule) == OPEN
    assert judged([rule.HOLDS, rule.OPEN, rule.FAILS], rule) == FAILS
    assert judged([], rule) == UNJUDGED


def test_a_phrase_and_an_interval():
    assert [listed(list(items)) for items in ("a", "ab", "abc")] == ["a", "a and b", "a, b and c"]
    row = pd.Series({"difference": -0.0123, "difference_low": -0.03, "difference_high": 0.004})
    assert limits(row) == "−.012 [−.030, .004]"


def checked(claim, differences, verdict, **columns):
    rows = [
        {"claim": claim, "difference": d, "difference_low": d - 0.01, "difference_high": d + 0.01,
         "verdict": verdict, "set": f"s{i}", "ratio": 0.3, "where": f"w{i}"} | columns
        for i, d in enumerate(differences)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_sentence_and_verdict_of_2023_follow_the_numbers():
    table = checked(f"{retrieval.HELPS}run 2", [0.05, 0.07], claims.HOLDS)
    head = retrieval.headline_2023(table)
    assert head.verdict == HOLDS
    assert ".050 [.040, .060] on s0 and .070 [.060, .080] on s1" in head.sentence
    worse = retrieval.headline_2023(checked(f"{retrieval.HELPS}run 2", [-0.2], claims.FAILS))
    assert worse.verdict == FAILS
    assert "−.200 [−.210, −.190] on s0" in worse.sentence
    none = retrieval.headline_2023(table.head(0))
    assert (none.verdict, none.numbers) == (UNJUDGED, [])


def test_sentence_and_verdict_of_the_memes_follow_the_numbers(monkeypatch):
    monkeypatch.setattr(memes, "_numbers", lambda found, table: [])
    found = SimpleNamespace(ratios=[0.3])
    table = pd.concat([checked(memes.claims.AE, [0.011], memes.claims.OPEN),
                       checked(memes.claims.LOSS, [0.5], memes.claims.HOLDS)])  # fmt: skip
    head = memes.headline(found, table)
    assert head.verdict == OPEN
    assert "the auto-encoder changes it by .011 [.001, .021] (w0)" in head.sentence
    assert "the loss changes it by .500" in head.sentence
    assert "Task B with 30 % labels" in head.sentence


def test_the_rows_of_the_fake_news_claims_are_those_of_fnd_clip(monkeypatch):
    monkeypatch.setattr(systems, "_numbers", lambda found: [])
    names = [claims.FND_CLIP, claims.TEXT, claims.IMAGE, *systems.SIMILARITIES]
    rows = pd.DataFrame({"system": names, "uses": "", "parent": "", "family": ""})
    found = SimpleNamespace(systems=rows, names=lambda: names, title=str)
    said = {c.first: c.claim for c in claims.claims(found) if c.second == claims.FND_CLIP}
    both, alone = said[claims.TEXT, claims.IMAGE], said[systems.SIMILARITIES]
    table = pd.concat([
        checked(both, [0.14], claims.HOLDS, second=claims.FND_CLIP),
        checked(both, [0.9], claims.FAILS, second=claims.OURS),
        checked(alone, [-0.09], claims.FAILS, second=claims.FND_CLIP),
    ])  # fmt: skip
    head = systems.headline(found, table)
    assert head.verdict == HOLDS
    assert re.search(r"\.140 \[.*; .* alone: −\.090 \[.*\] macro-F1\.$", head.sentence)


def written(folder, made=Origin(), name="fnd.html", figure="drawn"):  # noqa: B008
    """A page of one figure and two tables, one of them printed, in a report."""
    from lib import figures

    writer = Writer(folder / "sample", True, made)
    fig, ax = figures.new()
    ax.plot([0, 1])
    blocks = [
        writer.figure(fig, "drawn", "What it adds", NUMBERS),
        writer.table(NUMBERS, "ours", "Ours", {}),
        writer.table(NUMBERS, "theirs", "Theirs", {}, published=True),
    ]
    part = html.Section("part", "Part", "", blocks)
    heads = {name: Headline(HEAD.numbers, HEAD.claim, HEAD.sentence, HEAD.verdict, figure)}
    return writer.page(name, "Title", "<h1>Title</h1>", [part], [], heads)


def test_every_built_study_has_a_figure_a_sentence_and_a_verdict(tmp_path):
    heads = written(tmp_path)
    text = site.write_index(tmp_path / "index.html", "sample", heads, True).read_text()
    article = re.search(r'<article class="done" id="fnd">.*?</article>', text, re.DOTALL)[0]
    assert 'src="sample/figures/drawn.svg"' in article
    assert 'loading="lazy"' in article
    assert "What it adds" in article  # the page's own caption
    assert HEAD.sentence in article
    assert f"{MARKS[OPEN]}&nbsp;<b>{OPEN}</b> on the sample" in article
    assert text.count("not built yet") == len(site.STUDIES) - 1
    dead = html.broken_links([tmp_path / "index.html", tmp_path / "sample" / "fnd.html"])
    assert [link for link in dead if not re.search("data.html|notebooks/", link)] == []
    real = site.write_index(tmp_path / "paper.html", "sample", heads, False).read_text()
    assert "on the sample" not in real


def test_a_figure_that_was_not_drawn_is_left_out(tmp_path):
    heads = written(tmp_path, figure="lacking")
    text = site.write_index(tmp_path / "index.html", "sample", heads, True).read_text()
    assert "<img" not in text
    assert HEAD.sentence in text


def test_each_study_has_its_own_place_on_the_front_page():
    assert len({study.address for study in site.STUDIES}) == len(site.STUDIES) == 6
    assert len({study.anchor for study in site.STUDIES}) == 6


def test_every_figure_and_table_links_to_its_origin(tmp_path):
    written(tmp_path, Origin({"a/b.parquet": "ab" * 32}, "lib/fnd/data"))
    text = (tmp_path / "sample" / "fnd.html").read_text()
    captions = re.findall(r"<figcaption>.*?</figcaption>", text, re.DOTALL)
    assert len(captions) == 3
    for caption in captions:
        said = "lib/fnd/data" if "Theirs" in caption else "source"
        assert f'<a class="source" href="#provenance">{said}</a>' in caption
    assert 'id="provenance"' in text
    assert "a/b.parquet" in text
    assert text.count("dvc pull") == 1
    table = (tmp_path / "sample" / "tables" / "ours.html").read_text()
    assert "#provenance" not in table  # it stands alone


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A repository with the predictions of one study, its settings and its lock."""
    monkeypatch.setattr(paths, "ROOT", tmp_path)
    monkeypatch.setattr(provenance, "ROOT", tmp_path)
    folder = tmp_path / "artefacts" / "sample" / "predictions" / "vlm"
    folder.mkdir(parents=True)
    pd.DataFrame({"seed": [-1, 3, 1]}).to_parquet(folder / "predictions.parquet")
    (folder / "submissions").mkdir()
    (tmp_path / "requirements.txt").write_text("a==1\n")
    (tmp_path / "p.yaml").write_text(
        "vlm_qlora: {device: cuda, shots: 4}\nreports: {bootstrap: 9}\nother: 1\n"
    )
    return folder


def given(folder, fnd=""):
    return {"vlm": str(folder), "fnd": fnd}


def test_a_page_names_the_predictions_that_it_shows_beside_its_own(study):
    other = study.with_name("fnd")
    other.mkdir()
    pd.DataFrame({"seed": [7]}).to_parquet(other / "predictions.parquet")
    made = origin.find("vlm", given(study, str(other)), "p.yaml")
    assert [name.rsplit("/", 2)[1] for name in made.files] == ["vlm", "fnd"]
    assert made.seeds == [1, 3]  # of its own training


def test_provenance_holds_files_settings_seeds_device_and_lock(study, tmp_path):
    written(tmp_path, origin.find("vlm", given(study), "p.yaml"), "vlm.html")
    entry = json.loads((tmp_path / "sample" / origin.FILE).read_text())["vlm.html"]
    file = study / "predictions.parquet"
    name = "artefacts/sample/predictions/vlm/predictions.parquet"
    assert entry["files"] == {name: provenance.file_digest(file)}
    assert entry["seeds"] == [1, 3]
    assert entry["devices"] == {"vlm_qlora": "cuda"}
    assert entry["settings"] == {"vlm_qlora": {"device": "cuda", "shots": 4},
                                 "reports": {"bootstrap": 9}}  # fmt: skip
    lock = provenance.file_digest(tmp_path / "requirements.txt")
    assert entry["lock"] == {"requirements.txt": lock}
    assert entry["records"] == ["artefacts/sample/runs/notebooks-06_vlm_qlora.ipynb.json"]
    assert entry["written"]["computed"] == [
        *(f"figures/drawn.{suffix}" for suffix in ("csv", "png", "svg")),
        *(f"tables/ours.{suffix}" for suffix in ("csv", "html", "md")),
    ]
    assert entry["written"]["published"] == [f"tables/theirs.{s}" for s in ("csv", "html", "md")]
    text = (tmp_path / "sample" / origin.FILE).read_text()
    assert str(tmp_path) not in text
    assert not {"commit", "seconds", "peak_memory_mb"} & set(entry)


def test_provenance_is_the_same_whatever_the_order_and_forgets_pages_that_are_gone(study, tmp_path):
    made = origin.find("vlm", given(study), "p.yaml")
    for folder, names in (("a", "xy"), ("b", "yxy")):
        for name in names:
            written(tmp_path / folder, made, f"{name}.html")
    first, second = (tmp_path / folder / "sample" / origin.FILE for folder in "ab")
    assert first.read_bytes() == second.read_bytes()
    assert list(json.loads(first.read_text())) == ["x.html", "y.html"]
    (first.parent / "x.html").unlink()
    written(tmp_path / "a", made, "y.html")
    assert list(json.loads(first.read_text())) == ["y.html"]


def test_other_predictions_are_another_digest(study):
    before = origin.find("vlm", given(study), "p.yaml")
    pd.DataFrame({"seed": [2]}).to_parquet(study / "predictions.parquet")
    after = origin.find("vlm", given(study), "p.yaml")
    assert before.files != after.files
    assert after.seeds == [2]


@pytest.mark.parametrize("name", sorted(origin.STAGES))
def test_a_smoke_run_says_that_it_is_made_up(name, tmp_path):
    made = origin.find(name, dict.fromkeys(origin.STAGES, ""), "no/such.yaml")
    assert made.files == {}
    assert "made up" in origin.describe(made)
    stage = origin.STAGES[name]
    assert (paths.ROOT / stage.published).is_dir()
    assert (paths.ROOT / "notebooks" / f"{stage.notebook}.ipynb").is_file()
    assert set(stage.sections) <= set(origin.params.read("params.yaml"))


def test_the_data_page_comes_from_its_cards(tmp_path):
    card = tmp_path / "cards" / "x"
    card.mkdir(parents=True)
    (card / "card.json").write_text("{}")
    recall = tmp_path / "models" / "sample_clip.json"
    recall.parent.mkdir()
    recall.write_text("{}")
    made = origin.of_cards([card], recall)
    assert sorted(made.files) == sorted(paths.relative(f) for f in (card / "card.json", recall))
