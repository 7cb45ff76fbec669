"""The NewsImages sample corpora: layout, determinism, planted effects, ceilings."""

import csv
import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lib import params
from lib.sample import newsimages, pictograms, scenes
from lib.sample.newsimages import articles as planning
from lib.sample.newsimages import card, titles, world
from lib.sample.newsimages.articles import GENERIC, SETS, TEST, TRAIN

PLAN = planning.Settings(train=200, test=100, pairs=100)
OFFICIAL = ["article", "aid", "url", "img", "iid", "hashvalue", "title", "text", "imgFile"]


def _digest(*folders):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _table(path):
    return pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, quoting=csv.QUOTE_NONE)


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    newsimages.build(newsimages.SMOKE, folder / "news", folder / "pairs", progress=False)
    return folder / "news", folder / "pairs"


@pytest.fixture(scope="module")
def planned():
    return planning.plan(PLAN)


def test_workers_change_no_byte(corpora, tmp_path):
    settings = replace(newsimages.SMOKE, workers=2)
    newsimages.build(settings, tmp_path / "news", tmp_path / "pairs", progress=False)
    assert _digest(tmp_path / "news") == _digest(corpora[0])
    assert _digest(tmp_path / "pairs") == _digest(corpora[1])
    assert not list(tmp_path.glob("*.partial"))


def test_official_layout(corpora):
    folder, seen = corpora[0], []
    for edition, stem, house in SETS.values():
        extra = ["titleEN", "textEN"] if house == "rt" else []
        text = _table(folder / edition / f"{stem}-Test-Text.tsv")
        images = _table(folder / edition / f"{stem}-Test-Img.tsv")
        truth = _table(folder / edition / f"{stem}-Test-GroundTruth.tsv")
        assert list(text.columns) == [*OFFICIAL, *extra, "Date"]
        assert list(images.columns) == ["img", "iid", "imgFile"]
        assert list(truth.columns) == ["article", "iid"]
        assert not text[["img", "iid", "imgFile"]].to_numpy().any(), "the test text is not blind"
        assert set(truth["iid"]) == set(images["iid"])
        assert truth["article"].tolist() == text["article"].tolist()
        assert truth["iid"].tolist() != images["iid"].tolist(), "the order gives the pairs away"
        rows = [images]
        train = folder / edition / f"{stem}-Train.tsv"
        assert train.exists() == (edition == "2022")
        if train.exists():
            rows.append(_table(train))
            assert list(rows[-1].columns) == list(text.columns)
            assert rows[-1]["Date"].max() < text["Date"].min(), "test does not follow train"
        for iid, file in pd.concat(rows)[["iid", "imgFile"]].to_numpy():
            assert re.fullmatch("[0-9A-F]{32}", iid)
            assert file == f"{iid}.jpg"
            with Image.open(folder / edition / "images" / file) as image:
                image.load()
                assert max(image.size) == newsimages.SMOKE.size
            seen.append(iid)
    assert len(seen) == len(set(seen)) == len(list(folder.rglob("*.jpg")))


def test_pairs_and_their_overlap_with_the_tests(corpora):
    news, extra = corpora
    pairs = pd.read_csv(extra / "pairs.csv")
    made = json.loads((extra / "card.json").read_text(encoding="utf-8"))
    assert list(pairs.columns) == ["image", "title", "date", "source", "section"]
    assert len(pairs) == newsimages.SMOKE.pairs
    assert all((extra / image).is_file() for image in pairs["image"])
    truth = pd.read_csv(news / "truth.csv", dtype=str).set_index("iid")
    overlap = {key: value for key, value in made["test_overlap"].items() if key != "note"}
    assert len(overlap) == newsimages.SMOKE.overlap
    titles_of = pairs.set_index("image")["title"]
    for iid, (relation, origin) in overlap.items():
        test = truth.loc[origin]
        assert test["split"] == TEST
        if relation == "overlap_title":
            edition, stem, house = SETS[test["set"]]
            text = _table(news / edition / f"{stem}-Test-Text.tsv").set_index("article")
            column = "titleEN" if house == "rt" else "title"
            assert titles_of[f"images/{iid}.jpg"] == text.loc[test["article"], column]
        else:
            file = news / SETS[test["set"]][0] / "images" / f"{origin}.jpg"
            copy = extra / "images" / f"{iid}.jpg"
            assert file.read_bytes() != copy.read_bytes()


def test_planted_shares(planned):
    for name in SETS:
        tests = [a for a in planned if a.set == name and a.split == TEST]
        assert len(tests) == PLAN.test
        assert sum(a.kind == world.PERSON for a in tests) == round(PLAN.persons * PLAN.test)
        assert sum(a.relation == "reused" for a in tests) == round(PLAN.reused * PLAN.test)
        generic = [a for a in tests if a.shown.startswith("generic:")]
        assert len(generic) == round(PLAN.generic * PLAN.test)
        assert all(a.tie == "none" and a.shown[8:] in GENERIC for a in generic)
        share = PLAN.generated if name == "2023-p2" else PLAN.second_artists
        second = sum(a.scene.artist == pictograms.ARTISTS[1] for a in tests)
        assert second / PLAN.test == pytest.approx(share, abs=0.05)
        live = [a.headline.title for a in tests if a.naming == titles.LIVE]
        assert len(set(live)) <= 2 < len(live)


def test_looser_houses_are_looser(planned):
    def loose(name):
        ties = [a.naming for a in planned if a.set == name and a.split == TEST]
        return sum(tie in titles.LOOSE for tie in ties) / len(ties)

    assert loose("2022-rt") > loose("2022-twitter") + 0.1


def test_subjects_drift(planned):
    phases = {key: subject.phase for key, subject in world.subjects().items()}
    rss = [a for a in planned if a.set == "2022-rss"]
    early = [a.date for a in rss if phases[a.subject] == "early"]
    late = [a.date for a in rss if phases[a.subject] == "late"]
    assert np.mean([a < b for a, b in zip(sorted(early), sorted(late), strict=False)]) > 0.95
    assert not [a for a in rss if a.split == TRAIN and phases[a.subject] == "new"]
    assert [a for a in rss if a.split == TEST and phases[a.subject] == "new"]
    assert [a for a in planned if a.set == "2023-p1" and phases[a.subject] == "next"]


def test_a_name_stands_for_a_look(planned):
    looks = {}
    for article in planned:
        if article.kind == world.PERSON and not article.shown.startswith("generic:"):
            scene = article.scene
            look = (scene.subjects, scene.setting, scene.light)
            assert looks.setdefault(article.subject, look) == look
    assert len(set(looks.values())) == len(looks), "two persons look the same"
    named = [a for a in planned if a.kind == world.PERSON and a.naming == "exact"
             and a.headline.fault == ""]  # fmt: skip
    assert all(a.subject in a.headline.title for a in named if "2023-p" not in a.set)


def test_german_titles_come_with_a_translation_that_fails_at_times(planned):
    german = [a for a in planned if a.set == "2022-rt"]
    assert any("ü" in a.headline.title for a in german)
    assert all(a.headline.title_en == a.headline.title for a in planned if "rt" not in a.set)
    faults = Counter(a.headline.fault for a in german if a.naming in ("exact", "house"))
    assert 0.1 < 1 - faults[""] / faults.total() < 0.35
    wrong = next(a for a in german if a.headline.fault == "name_as_thing")
    assert wrong.subject in wrong.headline.title
    assert wrong.subject not in wrong.headline.title_en


def test_house_words(planned):
    for name, (_, _, house) in SETS.items():
        own = [a for a in planned if a.set == name and a.naming == "house" and a.kind != "person"]
        assert own
        lang = "de" if house == "rt" else "en"
        for article in own:
            word = world.jargon(house)[article.subject][lang]
            assert word.lower() in article.headline.title.lower()


def test_no_pattern_has_a_hole(planned):
    for article in planned:
        texts = article.headline
        for text in (texts.title, texts.title_en, texts.snippet, texts.snippet_en):
            assert text.strip()
            assert not re.search(r"[{}\t\n\"]|  ", text), text
    repeated = Counter(a.headline.title for a in planned if a.naming != titles.LIVE)
    assert len(repeated) / repeated.total() > 0.75


def test_every_concept_and_person_can_be_drawn_and_written():
    known = set(pictograms.catalogue()["emoji"])
    for subject in world.subjects().values():
        assert {emoji for recipe in subject.recipes for emoji in recipe} <= known, subject.key
        for setting in subject.settings:
            assert scenes.scenery.lights(setting)
        for tie in titles.TIES:
            word = tie != "house" or subject.kind == world.PERSON
            if word or subject.key in world.jargon("rt"):
                rng = np.random.default_rng(0)
                things = subject.recipes[0]
                made = titles.write(rng, "rt", tie, subject, subject.section, things, 3, 0.5)
                assert made.title


def test_german_names_have_capitals():
    assert titles._name("🏖️", "de") == "Strand mit Sonnenschirm"
    assert titles._name("🥗", "de") == "Salat"
    assert titles._name("🏖️", "en") == "beach with umbrella"


def test_expected_by_hand():
    assert card.expected(0, 1) == {"mrr": 1, "r1": 1, "r5": 1, "r10": 1, "r50": 1, "r100": 1}
    two = card.expected(0, 2)
    assert (two["mrr"], two["r1"], two["r5"]) == (0.75, 0.5, 1.0)
    after = card.expected(4, 2)  # ranks 5 and 6
    assert after["mrr"] == pytest.approx((1 / 5 + 1 / 6) / 2)
    assert after["r5"] == 0.5
    far = card.expected(99, 2)  # ranks 100 and 101: the second does not count
    assert far["mrr"] == pytest.approx(0.005)


def test_ceilings_agree_with_a_reader_who_knows_the_truth(planned):
    tests = [a for a in planned if a.set == "2023-p1"]
    rng, found = np.random.default_rng(0), []
    for article in tests:
        fits = np.array(card._fitting(article, tests, "title"), float)
        generic = np.array([a.shown.startswith("generic:") for a in tests])
        keys = np.where(generic, 0.5, fits) if not fits.all() else np.zeros(len(tests))
        order = np.argsort(-(keys + 0.1 * rng.random((400, len(tests)))), axis=1)
        ranks = 1 + np.argmax(order == tests.index(article), axis=1)
        found.append(np.where(ranks <= card.CUT, 1 / ranks, 0).mean())
    assert np.mean(found) == pytest.approx(card.ceilings(tests)["mrr"], abs=0.01)


def test_ceilings_order(planned):
    some = [a for a in planned if a.set == "2022-rt"]
    best, english, nameless = (
        card.ceilings(some, told)["mrr"] for told in ("title", "english", "no_names")
    )
    assert 0.2 < max(english, nameless) < best < 0.8
    chance = np.mean([1 / rank for rank in range(1, 101)]) * 100 / PLAN.test
    assert nameless > 3 * chance


def test_command_line_names_the_bad_key(tmp_path):
    config = tmp_path / "params.yaml"
    config.write_text("sample:\n  newsimages:\n    persons: 1.5\n", encoding="utf-8")
    command = [sys.executable, "-m", "lib.sample.newsimages", "--config", str(config)]
    out = ["--out", str(tmp_path / "a"), "--pairs-out", str(tmp_path / "b")]
    run = subprocess.run([*command, *out], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "persons: 1.5 is not a share" in run.stderr
    assert run.stderr.count("\n") == 1
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ties": {"exact": 1.0}}, "ties: needs exactly"),
        ({"size": 20}, "size: 20"),
        ({"overlap": 5000}, "overlap: 5000"),
        ({"weeks": 0}, "weeks: 0"),
    ],
)
def test_settings_out_of_range(changed, message):
    with pytest.raises(ValueError, match=message):
        replace(PLAN, **changed).validate()


def test_params_section_loads(tmp_path):
    config = tmp_path / "params.yaml"
    config.write_text("sample:\n  newsimages: {test: 50}\n", encoding="utf-8")
    settings = params.load(config, "sample.newsimages", newsimages.Settings)
    assert settings == replace(newsimages.Settings(), test=50)
