"""The MAMI sample: official layout, determinism, what was planted, and ceilings that rest on it."""

import csv
import hashlib
import io
import json
from dataclasses import asdict, replace
from importlib.resources import files

import numpy as np
import pytest
from PIL import Image

from lib import params
from lib.data.readers.mami import LABELS, TYPES, read
from lib.data.readers.mami import Settings as ReaderSettings
from lib.memes.corpus.masking import mask
from lib.paths import ROOT
from lib.sample import mami
from lib.sample.clip import ClipSettings
from lib.sample.clip.pictures import split_concepts
from lib.sample.mami import card, contents, memes, pictures, wording
from lib.sample.mami.__main__ import main
from lib.sample.mami.contents import Case, Content, Noise

PLAN = memes.Settings(train=400, test=200, simulated=6000)


def digest(folder) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return mami.build(mami.SMOKE, tmp_path_factory.mktemp("sample") / "mami", progress=False)


@pytest.fixture(scope="module")
def planned() -> list[memes.Meme]:
    return memes.plan(PLAN)


def test_workers_change_no_byte(corpus, tmp_path):
    mami.build(replace(mami.SMOKE, workers=2), tmp_path / "mami", progress=False)
    assert digest(tmp_path / "mami") == digest(corpus)
    assert not list(tmp_path.glob("*.partial"))


def test_the_reader_finds_all_of_it(corpus):
    pairs, facts, drops = read(corpus, ReaderSettings(clean=True))
    made = json.loads((corpus / "card.json").read_text())
    assert pairs["split"].value_counts().to_dict() == {"train": 40, "test": 20}
    assert not (drops.frame()["outcome"] == "dropped").any()
    assert (facts["width"] > 100).all()
    for split in ("train", "test"):
        labels = pairs.loc[pairs["split"] == split, list(LABELS)].sum().to_dict()
        assert labels == made["splits"][split]["labels"]
    assert pairs["text"].str.fullmatch(r"[a-z ]+").all()
    same = pairs.set_index("id")["original"]
    for copies in ("repeated_texts", "reposts"):
        assert made[copies]
        for one, other in made[copies].items():
            assert _words(same[one]) == _words(same[other])


def _words(text: str) -> list[str]:
    """Words of a text without capitals, stops and watermarks, which may differ."""
    marks = set(" ".join(wording.fillers()["mark",]).casefold().split())
    return [w for w in text.casefold().replace(".", "").replace(":", "").split() if w not in marks]


def test_rates_are_those_of_mami():
    made = {s: contents.cases(n, s, Noise(), np.random.default_rng(0))
            for s, n in (("train", 10_000), ("test", 1000))}  # fmt: skip
    flags = {split: np.array([case.labels for case in found]) for split, found in made.items()}
    np.testing.assert_allclose(flags["train"].sum(0), [5000, 1274, 2810, 2202, 953], atol=75)
    np.testing.assert_allclose(flags["test"].sum(0), [500, 146, 350, 348, 153], atol=2)
    assert (flags["train"][:, 0] > flags["train"][:, 1:].any(1)).sum() == 248
    assert (flags["train"][:, 0] < flags["train"][:, 1:].any(1)).sum() == 4
    assert (flags["test"][:, 0] == flags["test"][:, 1:].any(1)).all()
    together = flags["train"][:, 1:].T @ flags["train"][:, 1:]
    np.testing.assert_allclose(together[0, 1:], [687, 519, 123], rtol=0.06)


def test_texts_repeat_only_where_planted(planned):
    texts = [meme.words.typed for meme in planned]
    extra = len(texts) - len(set(texts))
    assert extra == sum(bool(meme.repeats) for meme in planned)
    crossing = [m for m in planned if m.split == "test" and m.repeats]
    assert len(crossing) == round(PLAN.crossing * PLAN.test)
    by_name = {meme.name: meme for meme in planned}
    assert all(by_name[m.repeats].labels == m.labels for m in planned if m.repeats)
    assert len(by_name) == len(planned)


def test_neither_half_of_many_memes_tells_the_label():
    many = contents.cases(4000, "test", Noise(0, 0, 0, 0, 0), np.random.default_rng(0))
    truth = np.array([case.labels[0] for case in many])
    assert [card.content_labels(case.content) for case in many] == [case.labels for case in many]
    for see in (lambda c: c.text, lambda c: c.picture):
        shares: dict = {}
        for case, label in zip(many, truth, strict=True):
            shares.setdefault(see(case.content), []).append(label)
        unsure = sum(len(v) for v in shares.values() if 0.1 < np.mean(v) < 0.9)
        assert 0.3 < unsure / len(many) < 0.95


def test_ceilings_stand_in_their_order(planned):
    found = card._ceilings(planned, PLAN)["knowing_the_test_shares"]
    for measure in ("task_a", "task_b", "auc"):
        best, text, picture, nothing = (
            found[key][measure] for key in ("text_and_picture", "text", "picture", "nothing")
        )
        assert best > text + 0.03
        assert min(text, picture) > nothing + 0.2
    assert found["nothing"]["auc"] == 0.5


def test_a_ceiling_by_hand():
    robot, thing = Content("insult", who="robot"), Content("thing", who="thing")
    many = [Case((1, 1, 0, 0, 0), robot)] * 3 + [Case((0, 0, 0, 0, 0), thing)] * 3
    got = card.ceiling(many, many[1:5], lambda content: content.who)
    assert (got["task_a"], got["f1"]["shaming"], got["auc"]) == (1.0, 1.0, 1.0)


def test_robots_are_insulted_and_nobody_else(planned):
    for (kind, _), texts in wording.clauses().items():
        assert kind != "named" or all(
            "robot}" in t or "robots}" in t or "slur}" in t for t in texts
        )
    for meme in planned:
        if meme.content.kind != "unrelated":
            assert memes.PERSON not in meme.scene.subjects
        assert "{" not in meme.transcription
    assert all(mask(slur) != slur for slur in wording.SLURS)
    written = files("lib.sample.mami") / "data"
    words = " ".join(p.read_text().casefold() for p in written.iterdir() if p.name != "topics.csv")
    assert not set(words.replace(",", " ").split()) & {
        "woman",
        "women",
        "girl",
        "she",
        "her",
        "wife",
    }


def test_the_sample_encoders_have_seen_what_is_shown():
    seen, _ = split_concepts(
        params.load(ROOT / "params.yaml", "sample_clip", ClipSettings).held_out, 0
    )
    shown = {e for family in memes.things().values() for e in family}
    shown |= {e for topic in wording.topics() for p in topic["pictures"] for e in p.split()}
    assert shown <= set(seen)


def test_lines_fit_and_are_large_enough(planned):
    for meme in planned[:60]:
        for text in filter(None, meme.words[:2]):
            size, lines = pictures.fitted(text.upper(), meme.size[0], 0.36 * meme.size[1])
            assert size >= pictures.LEAST
            assert " ".join(lines) == " ".join(text.upper().split())
            block = pictures.lettering(lines, size, pictures.WHITE, pictures.BLACK)
            assert block.width <= meme.size[0]


def test_layouts_keep_the_scene_and_add_their_strips(planned):
    for layout in memes.LAYOUTS:
        meme = next(m for m in planned if m.layout == layout)
        data = pictures.picture(meme)
        assert data == pictures.picture(meme)
        with Image.open(io.BytesIO(data)) as image:
            taller = image.height - meme.size[1]
            assert (taller > 0) == (layout != "macro")


def test_the_command_line_and_its_settings(tmp_path, capsys):
    config = tmp_path / "params.yaml"
    section = asdict(mami.SMOKE) | {"train": 10, "test": 10}
    config.write_text(json.dumps({"sample": {"mami": section}}))
    assert main(["--config", str(config), "--out", str(tmp_path / "out")]) == 0
    assert "20 memes" in capsys.readouterr().out
    with (tmp_path / "out" / "TRAINING" / "training.csv").open() as file:
        header = next(csv.reader(file, delimiter="\t"))
    assert header == ["file_name", *LABELS, "Text Transcription"]
    config.write_text(json.dumps({"sample": {"mami": section | {"train": 2}}}))
    assert main(["--config", str(config), "--out", str(tmp_path / "out")]) == 1
    assert "train: must be at least 10" in capsys.readouterr().err
    config.write_text(json.dumps({"sample": {"mami": section | {"noise": {"flips": 2.0}}}}))
    assert main(["--config", str(config), "--out", str(tmp_path / "out")]) == 1
    assert "noise.flips: must be in 0..1" in capsys.readouterr().err


def test_types_are_those_of_the_reader():
    assert (contents.TYPES, contents.LABELS) == (TYPES, LABELS)
