"""Features of the fake-news study: right rows, resumable, refused where they do not belong."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from lib import paths
from lib.encoders import EncoderSource
from lib.fnd import features as stage
from lib.fnd.features import FeatureSettings, articles, make_features, perturbed_rows
from lib.fnd.towers import image, text, tops
from lib.fnd.towers.arrays import text_arrays
from lib.fnd.towers.perturbing import IMAGE_KINDS, TEXT_KINDS, perturb_image, perturb_text
from lib.fnd.towers.store import FeatureError, fill, read_features
from lib.sample.tiny import tiny_clip
from lib.schema import write_pairs

N = 12
TINY = text.TextTower(
    "tiny", "words", pooling="mean", window=8, chunks=3, sentences=4, boundary=2, tuned_tokens=6
)
ROLES = {"bert": "words", "resnet": "pictures"}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Twelve articles; row 3 has no picture, row 4 a broken one."""
    folder = tmp_path_factory.mktemp("nmb")
    rng = np.random.default_rng(0)
    for row in range(N):
        pixels = rng.integers(0, 255, (5, 7, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((40, 30)).save(folder / f"{row}.png")
    (folder / "4.png").write_bytes(b"no picture")
    rows = range(N)
    table = pd.DataFrame(
        {
            "id": [f"a{row:02}" for row in rows],
            "image": ["" if row == 3 else f"{row}.png" for row in rows],
            "text": [f"Storm number {row} hits the harbour" for row in rows],
            "lang": "en",
            "split": ["train"] * 6 + ["validation"] * 2 + ["test"] * 4,
            "date": "",
            "source": [f"outlet {row % 3}" for row in rows],
            "group": [f"g{row}" for row in rows],
            "label": [row % 2 for row in rows],
            "headline": [f"Storm number {row} hits the harbour" for row in rows],
            "body": ["It rained. " * (row + 1) + "All is well." for row in rows],
        }
    )
    write_pairs(table, folder / "nmb.parquet")
    return folder, table


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """A scratch folder of the test's own; the tiny CLIP is made before."""
    model = tiny_clip()

    def own(*parts):
        folder = tmp_path.joinpath("scratch", *parts)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    monkeypatch.setattr(paths, "scratch", own)
    return model


def settings(**changes):
    """Tiny towers."""
    values = {
        "text_towers": (TINY,),
        "image_towers": (image.ImageTower("tiny", "pictures", size=16, boundary=1),),
        "roles": ROLES,
        "perturbed_rows": 3, "block": 5, "workers": 1, "text_batch": 4, "image_batch": 4,
    }  # fmt: skip
    return FeatureSettings(**values | changes)


def made_of(corpus, out, **changes):
    """Run the stage and read what it wrote."""
    folder, _ = corpus
    make_features(folder / "nmb.parquet", folder, settings(**changes), out)
    return read_features(out, folder / "nmb.parquet")


def test_every_array_is_there_in_the_order_of_the_table(corpus, scratch, tmp_path):
    found = made_of(corpus, tmp_path / "out")
    shapes = {name: array.shape for name, array in found.arrays.items()}
    assert shapes == {
        "bert_layers": (N, 3, 16), "bert_last": (N, 16), "bert_chunks": (N, 3, 16),
        "bert_chunks_count": (N,), "bert_sentences": (N, 4, 16), "bert_sentences_count": (N,),
        "bert_tuned": (N, 6, 16), "bert_tuned_count": (N,),
        "resnet_image": (N, 16), "resnet_image_tuned": (N, 8, 4, 4),
    }  # fmt: skip
    assert np.isnan(found.arrays["resnet_image"]).any(1).tolist() == [r in (3, 4) for r in range(N)]
    tower = text.load_text(TINY)
    alone = text_arrays(tower, articles(corpus[1])[7:8])
    for name in ("layers", "chunks", "sentences", "tuned"):
        np.testing.assert_allclose(found.arrays[f"bert_{name}"][7], alone[name][0], atol=2e-3)


def test_a_killed_stage_ends_with_the_same_bytes(corpus, scratch, tmp_path, monkeypatch):
    whole, calls, all_calls = stage.image_arrays, [], []

    def counts(*arguments, **options):
        all_calls.append(1)
        return whole(*arguments, **options)

    def dies(*arguments, **options):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(*arguments, **options)

    monkeypatch.setattr(stage, "image_arrays", counts)
    made_of(corpus, tmp_path / "whole")
    monkeypatch.setattr(stage, "image_arrays", dies)
    with pytest.raises(KeyboardInterrupt):
        made_of(corpus, tmp_path / "killed")
    assert not (tmp_path / "killed").exists()
    made_of(corpus, tmp_path / "killed")
    files = sorted(f.relative_to(tmp_path / "whole") for f in (tmp_path / "whole").rglob("*.*"))
    assert len(files) > 20
    for file in files:
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "killed" / file).read_bytes()
    assert len(calls) <= len(all_calls) + 2  # finished blocks are kept, two threads lose one each


def test_features_of_another_table_are_refused_in_one_line(corpus, scratch, tmp_path):
    folder, table = corpus
    made_of(corpus, tmp_path / "out")
    write_pairs(table.assign(text=table["text"] + "!"), tmp_path / "other.parquet")
    with pytest.raises(FeatureError, match="made from another pairs table") as caught:
        read_features(tmp_path / "out", tmp_path / "other.parquet")
    assert "\n" not in str(caught.value)
    with pytest.raises(FeatureError, match="run the stage features_nmb"):
        read_features(tmp_path / "nothing", folder / "nmb.parquet")


def test_perturbed_copies_differ_where_they_should(corpus, scratch, tmp_path):
    clip = (EncoderSource("tiny_clip", f"local-dir:{scratch}"),)
    found = made_of(corpus, tmp_path / "out", clip=clip)
    assert list(found.perturbed) == [*IMAGE_KINDS, *TEXT_KINDS]
    for kind, (rows, arrays) in found.perturbed.items():
        assert rows.tolist() == perturbed_rows(corpus[1], settings()).tolist()
        names = {"resnet_image", "resnet_image_tuned", "tiny_clip:image"}
        if kind in TEXT_KINDS:
            names = {"tiny_clip:text", "bert_last"} | {n for n in found.arrays if "bert" in n}
        assert set(arrays) == names
    rows, arrays = found.perturbed["blur"]
    assert not np.allclose(arrays["resnet_image"], found.arrays["resnet_image"][rows], atol=1e-3)


def test_articles_without_pictures_are_no_failure(corpus, scratch, tmp_path):
    folder, table = corpus
    write_pairs(table.assign(image=""), tmp_path / "bare.parquet")
    made = make_features(tmp_path / "bare.parquet", folder, settings(), tmp_path / "out")
    assert list(made["towers"]) == ["words"]
    assert made["perturbed"] == list(TEXT_KINDS)


def test_no_row_to_perturb_is_no_failure(corpus, scratch, tmp_path):
    assert made_of(corpus, tmp_path / "out", perturbed_rows=0).perturbed == {}


def test_the_learning_blocks_continue_where_the_bottom_stopped():
    whole = text.TextTower("tiny", pooling="cls", window=12, boundary=2, tuned_tokens=12)
    tower = text.load_text(whole)
    lists = text.windows(tower, ["one two", "a storm hits the harbour"], 12, 1).ids
    ids, mask = text.padded(lists, tower.tokenizer.pad_token_id)
    with torch.inference_mode():
        wanted = tower.model(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0]
        for boundary in (2, 1, 0):
            made = text.TextTower("tiny", window=12, boundary=boundary, tuned_tokens=12)
            arrays = text_arrays(text.load_text(made), ["one two", "a storm hits the harbour"])
            top = tops.make_tops(("bert_tuned",), {"bert": "words"}, {"words": made})["bert_tuned"]
            states = torch.from_numpy(arrays["tuned"])
            states = states.float() if boundary else states
            got = top.eval()(states, torch.from_numpy(arrays["tuned_count"]))
            torch.testing.assert_close(got, wanted, atol=4e-3, rtol=0)


def test_an_image_top_is_the_tower_s_own_and_keeps_batch_norms():
    made = image.ImageTower("tiny", size=16, boundary=1)
    tower = image.load_image(made)
    pixels = torch.randn(2, 3, 16, 16)
    top = tops.make_tops(("resnet_image_tuned",), {"resnet": "x"}, {"x": made})[
        "resnet_image_tuned"
    ]
    states = image.chain(tower.stages[:1], pixels)
    torch.testing.assert_close(top(states), image.features_of(tower.stages, pixels))
    norm = tops.ImageTop(torch.nn.ModuleList([torch.nn.BatchNorm2d(3)]), 3).train()
    assert not norm.stages[0].training


def test_sentences_and_windows():
    assert text.split_sentences('He said "no." Then what? 3.5 km!') == [
        'He said "no."', "Then what?", "3.5 km!",
    ]  # fmt: skip
    tower = text.load_text(TINY)
    cut = text.windows(tower, ["", "word " * 30], 8, 3)
    assert cut.counts.tolist() == [1, 3]
    assert [len(ids) for ids in cut.ids] == [2, 8, 8, 8]


def test_sentences_inside_an_article_are_the_means_of_their_tokens():
    inside = text.TextTower("tiny", window=9, chunks=2, sentences=3, sentence_tokens=0)
    tower = text.load_text(inside)
    article = ["It rained hard. All is well now, they say. Good."]
    arrays = text_arrays(tower, article)
    cut = text.windows(tower, article, 9, 2)
    assert [one.tolist() for one in cut.segments] == [
        [-1, 0, 0, 0, 0, 1, 1, 1, -1], [-1, 1, 1, 1, 1, 1, 2, 2, -1],
    ]  # fmt: skip
    ids, mask = text.padded(cut.ids, tower.tokenizer.pad_token_id)
    with torch.inference_mode():
        states = tower.model(input_ids=ids, attention_mask=mask).last_hidden_state
    wanted = torch.cat([states[0, 5:8], states[1, 1:6]]).mean(0)
    np.testing.assert_allclose(arrays["sentences"][0, 1], wanted, atol=2e-3)
    assert arrays["sentences_count"].tolist() == [3]


def test_perturbing_is_repeatable_and_bounded():
    words = "Minister opens bridge after storm in the northern harbour town " * 5
    first = perturb_text(words, "typos", np.random.default_rng(1))
    assert first == perturb_text(words, "typos", np.random.default_rng(1)) != words.strip()
    assert len(perturb_text(words, "truncation", np.random.default_rng(0)).split()) == 25
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8))
    sizes = {kind: perturb_image(picture, kind).size for kind in IMAGE_KINDS}
    assert sizes == {"jpeg": (60, 40), "blur": (60, 40), "crop": (36, 24)}
    with pytest.raises(ValueError, match="'fog' is not one of"):
        perturb_image(picture, "fog")


def test_a_block_is_marked_only_when_its_rows_are_there(tmp_path):
    asked = []

    def compute(rows):
        asked.append(rows.start)
        if rows.start == 4 and asked.count(4) == 1:
            raise RuntimeError("killed")
        return {"x": np.arange(rows.start, rows.stop)[:, None].astype(np.float16)}

    with pytest.raises(RuntimeError, match="killed"):
        fill(tmp_path, 7, compute, 2, 1, "x")
    fill(tmp_path, 7, compute, 2, 1, "x")
    assert np.load(tmp_path / "x.npy")[:, 0].tolist() == list(range(7))
    assert asked.count(2) == 1


def test_command_line_says_one_line(corpus, scratch, tmp_path):
    folder, _ = corpus
    config = tmp_path / "c.yaml"
    one = {
        "text_towers": [{"name": "w", "model": "tiny", "window": 8}], "image_towers": [],
        "roles": {"bert": "v"},
    }  # fmt: skip
    config.write_text(json.dumps({"features_nmb": one}))
    common = [
        "--pairs",
        str(folder / "nmb.parquet"),
        "--root",
        str(folder),
        "--out",
        str(tmp_path / "o"),
    ]
    with pytest.raises(SystemExit, match="features_nmb.roles.bert: 'v' is not one of w"):
        stage.main(["--config", str(config), *common])
    one["roles"] = {"bert": "w"}
    config.write_text(json.dumps({"features_nmb": one}))
    stage.main(["--config", str(config), *common])
    assert (tmp_path / "o" / "manifest.json").is_file()
