"""The NMB+ sample corpus: layout, determinism, planted effects, ceilings; and its two kin."""

import hashlib
import json
import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lib import params
from lib.data.readers.fnd import fakenewsnet, weibo
from lib.data.readers.fnd import nmb as reader
from lib.sample import nmb
from lib.sample.nmb import __main__ as command
from lib.sample.nmb import articles as planning
from lib.sample.nmb import card, effects, files, layouts, pictures, texts
from lib.sample.nmb.articles import DUPLICATE, REPOST
from lib.sample.upload import BROKEN, MISSING, ODD

KIN = {"weibo": weibo, "fakenewsnet": fakenewsnet}
PLAN = planning.Settings(articles=1500)


def digest(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return nmb.build(nmb.SMOKE, tmp_path_factory.mktemp("sample") / "nmb", progress=False)


@pytest.fixture(scope="module")
def planned():
    return planning.plan(PLAN)


@pytest.fixture(scope="module")
def truth(planned):
    return files.truth(planned)


def test_workers_change_no_byte(corpus, tmp_path):
    again = nmb.build(replace(nmb.SMOKE, workers=2), tmp_path / "nmb", progress=False)
    assert digest(again) == digest(corpus)
    assert [path.name for path in tmp_path.iterdir()] == ["nmb"]


def test_official_layout_with_its_traps(corpus):
    table = pd.read_csv(corpus / "metadata.csv", dtype=str, keep_default_na=False)
    assert list(table.columns) == files.COLUMNS
    assert len(table) == nmb.SMOKE.articles
    assert table["unique_id"].is_unique
    assert table["unique_id"].str.fullmatch("[0-9a-f]{10}").all()
    assert set(table["multimodal_label"]) == set(table["text_label"]) == {"Likely", "Unlikely"}
    assert table["article_text"].str.contains("\n\n").any()
    assert table["image"].str.startswith("<PIL.").any()
    assert table["image"].str.startswith("images/").any()
    assert not table["new_categories"].str.contains(",").any()
    assert table["new_categories"].str.fullmatch(r"\[('[\w/ ]+' ?)+\]").all()
    assert table["news_categories_confidence_scores"].str.fullmatch(r"\[[\d. ]+\]").all()
    signed = [
        h.endswith(f" - {o}") for h, o in zip(table["headline"], table["outlet"], strict=True)
    ]
    assert 0.6 < np.mean(signed) < 1
    assert table["date_published"].str.fullmatch(r"[\d-]{10} [\d:]{8}(\.\d{6})?\+00:00").all()
    assert table["date_published"].str.contains(".", regex=False).nunique() == 2
    made = json.loads((corpus / "card.json").read_text(encoding="utf-8"))
    missing = {name for name, kind in made["unreadable_files"].items() if kind == MISSING}
    for name, path in table[["unique_id", "saved_image_path"]].to_numpy():
        assert (corpus / path).is_file() == (name not in missing)
        if name not in made["unreadable_files"]:
            with Image.open(corpus / path) as image:
                image.load()
                assert nmb.SMOKE.size in image.size


def test_the_reader_finds_all_that_was_planted(corpus):
    settings = reader.Settings(need="both", table="metadata.csv")
    found = reader.read(corpus, settings)
    made = json.loads((corpus / "card.json").read_text(encoding="utf-8"))
    truth = pd.read_csv(corpus / "truth.csv", dtype={"id": str}).set_index("id")
    dropped = set(found.drops.frame().query("outcome == 'dropped'")["id"])
    assert dropped == set(made["unreadable_files"])
    assert set(made["odd_files"]) < set(found.pairs["id"])
    assert len(made["odd_files"]) == len(ODD)
    assert len(dropped) == len(BROKEN) + 1
    rows = found.pairs.set_index("id")
    assert (rows["label"] == truth.loc[rows.index, "label"]).all()
    assert (rows["text_label"] == truth.loc[rows.index, "text_label"]).all()
    named = [row.source in row.text or row.source in row.body for row in rows.itertuples()]
    assert not any(named), "an outlet's name is left in a text"


def test_a_copy_is_the_same_and_a_repost_is_close(planned):
    by_id = {article.id: article for article in planned}
    copies = [article for article in planned if article.relation == DUPLICATE]
    assert len({article.relation for article in planned}) == 3
    for copy in copies:
        first = by_id[copy.origin]
        assert (copy.headline, copy.body, copy.likely) == (first.headline, first.body, first.likely)
        assert copy.outlet != first.outlet
    assert pictures.picture(copies[0], 96) == pictures.picture(by_id[copies[0].origin], 96)
    repost = next(article for article in planned if article.relation == REPOST)
    first = by_id[repost.origin]
    assert repost.headline != first.headline or repost.body != first.body
    assert repost.factors.mismatch == first.factors.mismatch
    assert pictures.picture(repost, 96) != pictures.picture(first, 96)


def test_mismatch_lies_in_neither_side_alone(planned, truth):
    told, shown = (
        Counter(getattr(a, key) for a in planned if a.factors.mismatch and not a.origin)
        for key in ("subject", "shown")
    )
    assert told == shown, "a subject is shown more often where the picture does not fit"
    assert (truth["subject"].eq(truth["shown"]) == truth["mismatch"].eq(0)).all()
    texts_of = {bool(m): part for m, part in truth.groupby("mismatch")}
    shares = [part["tie"].eq("photo").mean() for part in texts_of.values()]
    assert abs(shares[0] - shares[1]) < 0.06


def test_planted_shares(planned, truth):
    assert truth["label"].mean() == pytest.approx(0.56, abs=0.03)
    assert truth["text_label"].mean() == pytest.approx(0.75, abs=0.03)
    assert truth["mismatch"].mean() == pytest.approx(0.5, abs=0.04)
    by_level = truth.groupby("rhetoric")["text_label"].mean()
    assert by_level.to_list() == pytest.approx(list(effects.SAID_BIASED), abs=0.06)
    words = [len(article.body.split()) for article in planned]
    assert np.mean(np.array(words) > 600) == pytest.approx(PLAN.lengths["feature"], abs=0.015)
    slant = truth.groupby("outlet").agg(slant=("slant", "first"), share=("label", "mean"))
    assert slant.corr().iloc[0, 1] > 0.8


def test_rhetoric_is_in_the_words_and_late_in_some(planned):
    loaded = re.compile("|".join(re.escape(p.split("{")[0]) for p in texts.patterns("loaded")
                                 if len(p.split("{")[0]) > 12))  # fmt: skip
    plain = [a for a in planned if not a.late]
    found = [np.mean([bool(loaded.search(a.body)) for a in plain if a.factors.rhetoric == level])
             for level in effects.LEVELS]  # fmt: skip
    assert found[0] < 0.1 < found[1] < found[2]
    late = [a for a in planned if a.late]
    assert late
    for article in late:
        head = " ".join(article.body.split()[: texts.HEAD])
        assert not loaded.search(head)


def test_cues_tell_the_look_with_errors(planned):
    counts = {look: Counter() for look in (True, False)}
    for article in planned:
        counts[article.factors.look].update(pictures.cues(article))
    for place, look in enumerate((True, False)):
        rows = sum(article.factors.look == look for article in planned)
        for name, shares in pictures.CUES.items():
            assert counts[look][name] / rows == pytest.approx(shares[place], abs=0.06)


def test_ceilings_order_and_agree_with_simple_rules(truth):
    best = card.ceilings(truth).set_index("evidence")
    accuracy = best["accuracy"]
    label = truth["label"]
    assert accuracy["majority"] == max(label.mean(), 1 - label.mean())
    assert accuracy["mismatch"] == pytest.approx((truth["mismatch"] == label).mean())
    assert best.at["always_positive", "f1"] == pytest.approx(2 * label.mean() / (1 + label.mean()))
    assert accuracy["everything"] >= accuracy["mismatch"] - 0.01
    for weak in ("rhetoric", "picture", "outlet"):
        assert accuracy["majority"] < accuracy[weak] < accuracy["mismatch"] - 0.1
    assert best.at["everything", "auc"] > best.at["mismatch", "auc"] + 0.03


def test_probability_by_hand():
    weights = dict.fromkeys(planning.WEIGHTS, 0.0) | {"mismatch": 2.0, "rhetoric": 1.0}
    share = effects.probability(effects.Factors(1, False, True, 0.0), weights, 0.3, 0.0)
    assert share == pytest.approx(1 / (1 + np.exp(-2)))
    noisy = effects.probability(effects.Factors(2, True, True, 1.0), weights, 0.3, 0.1)
    assert noisy == pytest.approx(0.8 / (1 + np.exp(-3)) + 0.1)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"noise": 1.5}, "noise: 1.5"),
        ({"articles": 20}, "articles: 20 is too few"),
        ({"coverage": {1: 0.5}}, "coverage: shares"),
        ({"retold": {"own": 1.0}}, "retold: needs exactly"),
        ({"weights": {"base": 0.0}}, "weights: needs exactly"),
        ({"size": 20}, "size: must be"),
    ],
)
def test_bad_settings_are_one_line(change, line):
    with pytest.raises(ValueError, match=re.escape(line)):
        replace(PLAN, **change).validate()


def test_command_line_refuses_a_bad_key(tmp_path, capsys):
    config = tmp_path / "params.yaml"
    config.write_text("sample: {nmb: {artikles: 9}}\n")
    assert command.main(["--config", str(config), "--out", str(tmp_path / "out")]) == 1
    assert "artikles" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    with pytest.raises(params.ParamsError):
        params.load(config, command.SECTION, nmb.Settings)


@pytest.mark.parametrize("name", KIN)
def test_kin_are_read_in_their_layouts(name, tmp_path):
    articles = planning.plan(replace(layouts.SETTINGS, articles=30))
    root = tmp_path / name
    getattr(layouts, f"write_{name}")(articles, root)
    found = KIN[name].read(root).pairs
    assert set(found["label"]) == {0, 1}
    broken = sum(article.file in (*BROKEN, MISSING) for article in articles)
    assert len(found) == len(articles) - broken
    if name == "weibo":
        assert set(found["split"]) == {"", "test"}
        assert found["text"].str.contains("[\u4e00-\u9fff]").all()
