"""The InstaNY100K sample corpus: layout, determinism, planted effects, odd files."""

import hashlib
import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import pandas as pd
import pytest
from PIL import Image

from lib import params
from lib.sample import instacities, upload
from lib.sample.corpora import planted
from lib.sample.instacities import __main__ as stage
from lib.sample.instacities import posts
from lib.sample.scenery.paintbox import table

PLAN = posts.Settings(posts=2000, second_posts=400)


def _digest(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
    }


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    out = tmp_path_factory.mktemp("sample") / "instacities"
    return instacities.build(instacities.SMOKE, out, progress=False)


@pytest.fixture(scope="module")
def made(corpus):
    return json.loads((corpus / "card.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def planned():
    return posts.plan(PLAN)


def test_workers_change_no_byte(corpus, tmp_path):
    settings = replace(instacities.SMOKE, workers=2)
    again = instacities.build(settings, tmp_path / "again", progress=False)
    assert _digest(again) == _digest(corpus)
    assert not (tmp_path / "again.partial").exists()


def test_official_layout(corpus, made):
    texts = {path.stem for path in (corpus / "captions" / "newyork").glob("*.txt")}
    images = {path.stem for path in (corpus / "img_resized" / "newyork").glob("*.jpg")}
    missing = {key for key, kind in made["unreadable_files"].items() if kind == upload.MISSING}
    assert len(texts) == 60
    assert len(missing) == 1
    assert texts - images == missing
    assert images < texts
    gold = pd.read_csv(corpus / "gold.csv", dtype=str)
    assert list(gold.columns) == ["id", "label", "annotator", "time"]
    assert set(gold["id"]) == texts
    assert set(gold["annotator"]) == {"gold"}
    second = pd.read_csv(corpus / "gold_second.csv", dtype=str)
    assert len(second) == 30
    assert set(second["id"]) <= texts


def test_odd_files_open_and_broken_ones_do_not(corpus, made):
    folder = corpus / "img_resized" / "newyork"
    modes = {}
    for key, kind in made["odd_files"].items():
        with Image.open(folder / f"{key}.jpg") as image:
            image.load()
            modes[kind] = (image.format, image.mode, image.getexif().get(upload.ORIENTATION))
            assert image.size == (300, 300)
    assert modes["cmyk"] == ("JPEG", "CMYK", None)
    assert modes["png"] == ("PNG", "RGBA", None)
    assert modes["palette"] == ("PNG", "P", None)
    assert modes["grey16"][1].startswith("I")
    assert modes["exif_rotated"] == ("JPEG", "RGB", upload.ROTATED)
    for key, kind in made["unreadable_files"].items():
        if kind != upload.MISSING:
            with pytest.raises(OSError), Image.open(folder / f"{key}.jpg") as image:
                image.load()


def test_repeats_are_what_the_card_says(corpus, made):
    folder, texts = corpus / "img_resized" / "newyork", corpus / "captions" / "newyork"
    assert made["duplicates"]
    assert made["reposts"]
    for key, origin in made["duplicates"].items():
        assert (folder / f"{key}.jpg").read_bytes() == (folder / f"{origin}.jpg").read_bytes()
        assert (texts / f"{key}.txt").read_bytes() == (texts / f"{origin}.txt").read_bytes()
    for key, origin in made["reposts"].items():
        assert (folder / f"{key}.jpg").read_bytes() != (folder / f"{origin}.jpg").read_bytes()


def test_planted_shares(planned):
    singles = [post for post in planned if not post.relation]
    labels = Counter(post.label for post in singles)
    assert len(planned) == PLAN.posts
    assert len({post.id for post in planned}) == PLAN.posts
    assert labels[posts.NONE] / len(singles) == pytest.approx(PLAN.none_share, abs=0.001)
    counts = [labels[label] for label in table("places")]
    assert counts == sorted(counts, reverse=True), "not Zipf in table order"
    assert min(counts) > 0
    second = sum(post.scene.artist == "twemoji" for post in singles)
    assert second / len(singles) == pytest.approx(PLAN.second_artists, abs=0.001)
    assert Counter(post.relation for post in planned) == {"": 1950, "repost": 40, "duplicate": 10}


def test_captions_tell_more_of_some_places(planned):
    def named(label):
        kinds = [post.caption.kind for post in planned if post.label == label]
        return kinds.count("useful") / len(kinds)

    assert named("/s/skyscraper") > named("/s/shower") + 0.1
    kinds = planted.shares([post.caption.kind for post in planned])
    assert 0.03 < kinds["misleading"] < 0.1
    assert kinds["useful"] > 0.25


def test_card_agrees_with_the_posts(planned):
    truth = [(post.id, post.label) for post in planned]
    gold = planted.annotate(truth, posts.neighbours(), PLAN.gold_noise, "gold", 1)
    second = planted.annotate(truth[:400], posts.neighbours(), PLAN.second_noise, "second", 2)
    made = instacities.card(planned, gold, second, PLAN)
    wrong = (gold["label"].to_numpy() != [label for _, label in truth]).mean()
    assert made["gold_noise"] == pytest.approx(wrong, abs=1e-4)
    assert 0.015 < wrong < 0.05
    bound = made["ceilings"]
    assert bound["knowing_the_truth"] == pytest.approx(1 - wrong, abs=1e-4)
    assert bound["majority"] < bound["caption"] < bound["picture"]
    assert bound["picture"] < bound["picture_and_caption"] <= bound["knowing_the_truth"]
    assert 0.8 < made["second_annotator"]["kappa"] < 0.97
    assert sum(made["classes"].values()) == PLAN.posts


def test_ceiling_and_kappa_by_hand():
    truth, gold = list("aabb"), list("aabc")
    assert planted.ceiling(truth, truth, gold) == 0.75
    assert planted.ceiling(["x"] * 4, truth, gold) in (0.5, 0.25)
    # 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: kappa is .4
    first = ["y"] * 25 + ["n"] * 25
    second = ["y"] * 20 + ["n"] * 5 + ["y"] * 10 + ["n"] * 15
    assert planted.kappa(first, second) == pytest.approx(0.4)
    assert planted.apportion(10, [1, 1, 1]) == [4, 3, 3]


def test_recipes_settings_and_neighbours_are_known():
    known = set(posts.neighbours())
    for label, row in table("places").items():
        assert set(row["near"].split())
        assert label not in row["near"].split()
        assert row["companions"] in table("companions")
    assert posts.NONE in known
    assert len(known) == len(table("places")) + 1


def test_smoke_corpus_is_idempotent():
    folder = instacities.smoke_corpus()
    before = (folder / "card.json").stat().st_mtime_ns
    assert instacities.smoke_corpus() == folder
    assert (folder / "card.json").stat().st_mtime_ns == before


def test_bad_settings_are_one_line(tmp_path, capsys):
    config = tmp_path / "p.yaml"
    config.write_text("sample:\n  instacities:\n    none_share: 2.0\n", encoding="utf-8")
    with pytest.raises(params.ParamsError, match="none_share: 2.0 is not a share"):
        params.load(config, stage.SECTION, posts.Settings)
    out = tmp_path / "out"
    assert stage.main(["--config", str(config), "--out", str(out)]) == 1
    assert capsys.readouterr().err.count("\n") == 1
    assert not out.exists()


def test_no_torch_is_loaded():
    code = "import sys, lib.sample.instacities; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
