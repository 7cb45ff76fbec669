"""Embedding: right rows, named gaps, and a kill in the middle that costs nothing."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.nn.functional import linear

from lib import embed, paths
from lib.embed import EmbedError, EmbedSettings, embed_pairs, read_embeddings
from lib.encoders import encode_images, load_encoder, one_thread_each
from lib.sample.tiny import tiny_clip
from lib.schema import COLUMNS, write_pairs

SETTINGS = EmbedSettings(image_batch=8, text_batch=8, block=16, workers=2)
ROWS = 70


@pytest.fixture(scope="module")
def encoder():
    """The tiny model of the smoke runs."""
    return load_encoder(f"local-dir:{paths.relative(tiny_clip())}")


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """A folder of 70 small pictures, one missing and one cut off, and its pairs table."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(ROWS):
        picture = Image.fromarray(rng.integers(0, 255, (40, 48, 3), dtype=np.uint8))
        picture.save(tmp_path / f"{i}.jpg")
        text = "" if i == 3 else " ".join(["word"] * (i % 7 + 1))
        empty = dict.fromkeys(COLUMNS, "")
        rows.append(empty | {"id": f"p{i}", "image": f"{i}.jpg", "text": text, "lang": "en",
                             "group": f"p{i}"})  # fmt: skip
    (tmp_path / "5.jpg").unlink()
    (tmp_path / "9.jpg").write_bytes((tmp_path / "9.jpg").read_bytes()[:300])
    write_pairs(pd.DataFrame(rows), tmp_path / "pairs.parquet")
    scratch = tmp_path / "scratch"
    monkeypatch.setattr(paths, "scratch", lambda *parts: _made(scratch.joinpath(*parts)))
    return tmp_path


def _made(folder):
    """Return a folder after creating it."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run(corpus, encoder, out="out", settings=SETTINGS):
    """Embed the corpus."""
    return embed_pairs(corpus / "pairs.parquet", corpus, encoder, corpus / out, settings)


def test_rows_stand_in_order_and_are_not_normalised(corpus, encoder):
    made = run(corpus, encoder)
    alone = encode_images(encoder, [Image.open(corpus / "20.jpg").convert("RGB")])[0]
    assert made.image.dtype == np.float16
    np.testing.assert_allclose(made.image[20], alone, rtol=2e-3, atol=1e-3)
    assert made.image.shape == made.text.shape == (ROWS, encoder.dim)


def test_unreadable_pictures_are_nan_and_named_and_no_row_is_zero(corpus, encoder):
    made = run(corpus, encoder)
    assert np.flatnonzero(~made.valid).tolist() == [5, 9]
    assert np.isnan(made.image[5]).all()
    drops = pd.read_csv(corpus / "out" / "drops.csv")
    assert drops["file"].tolist() == ["5.jpg", "9.jpg"]
    assert "no such file" in drops["reason"][0]
    assert "truncated" in drops["reason"][1]
    assert not (np.nan_to_num(made.image, nan=1) == 0).all(1).any()
    assert not (made.text == 0).all(1).any()


def test_rows_without_a_picture_are_nan_but_no_drop(corpus, encoder):
    whole = run(corpus, encoder)
    table = pd.read_parquet(corpus / "pairs.parquet")
    without = [1, *range(16, 32), 69]  # among them a whole block
    table.loc[without, "image"] = ""
    write_pairs(table, corpus / "pairs.parquet")
    made = run(corpus, encoder, "blind")
    assert np.flatnonzero(~made.valid).tolist() == sorted([*without, 5, 9])
    assert len(pd.read_csv(corpus / "blind" / "drops.csv")) == 2
    both = made.valid & whole.valid
    np.testing.assert_allclose(made.image[both], whole.image[both], rtol=2e-3, atol=1e-3)
    np.testing.assert_array_equal(made.text, whole.text)


def test_a_model_that_returns_zeros_is_an_error(corpus, encoder, monkeypatch):
    monkeypatch.setattr(embed, "encode_pixels", lambda e, x: np.zeros((len(x), e.dim), np.float32))
    with pytest.raises(EmbedError, match="zero or not finite image vector"):
        run(corpus, encoder)
    assert not (corpus / "out").exists()


def test_workers_and_interruptions_do_not_change_a_byte(corpus, encoder, monkeypatch):
    run(corpus, encoder, "whole")
    calls = []
    original = embed.encode_pixels

    def failing(e, pixels):
        calls.append(len(pixels))
        if len(calls) == 6:
            raise KeyboardInterrupt
        return original(e, pixels)

    one = EmbedSettings(image_batch=8, text_batch=8, block=16, workers=1)
    monkeypatch.setattr(embed, "encode_pixels", failing)
    with pytest.raises(KeyboardInterrupt):
        run(corpus, encoder, "stopped", one)
    run(corpus, encoder, "stopped", one)
    for name in ("image.npy", "text.npy", "manifest.json", "drops.csv"):
        assert (corpus / "whole" / name).read_bytes() == (corpus / "stopped" / name).read_bytes()
    assert len(calls) == 6 + 10 - 4  # 9 batches of 70 rows; 2 blocks of 2 batches were finished


def test_sigkill_in_the_middle_redoes_no_finished_block(corpus, encoder):
    code = (
        "import sys, time, pathlib\n"
        "from lib import embed, paths\n"
        "from lib.encoders import load_encoder\n"
        "here = pathlib.Path(sys.argv[1]); slow = float(sys.argv[3])\n"
        "def scratch(*p):\n"
        "    f = here.joinpath('scratch', *p); f.mkdir(parents=True, exist_ok=True); return f\n"
        "paths.scratch = scratch\n"
        "original = embed.load_rgb\n"
        "def load(path):\n"
        "    (here / 'decoded').open('a').write(path.name + chr(10)); time.sleep(slow)\n"
        "    return original(path)\n"
        "embed.load_rgb = load\n"
        "s = embed.EmbedSettings(image_batch=8, text_batch=8, block=16, workers=1)\n"
        "e = load_encoder(sys.argv[2])\n"
        "embed.embed_pairs(here / 'pairs.parquet', here, e, here / 'killed', s)\n"
    )
    model = encoder.info["name"]
    environment = os.environ | {"PYTHONPATH": str(paths.ROOT), "OMP_NUM_THREADS": "1"}

    def start(pause):
        command = [sys.executable, "-c", code, str(corpus), model, str(pause)]
        return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)

    process = start(0.05)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = list((corpus / "scratch").rglob("progress.jsonl"))
        if found and found[0].read_text().count("\n") >= 2:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finished = found[0].read_text().count("\n")
    assert 2 <= finished < 5
    assert not (corpus / "killed").exists()
    (corpus / "decoded").unlink()
    assert start(0).wait() == 0
    again = (corpus / "decoded").read_text().split()
    assert len(again) == ROWS - 16 * finished
    run(corpus, encoder, "whole")
    for name in ("image.npy", "text.npy", "manifest.json", "drops.csv"):
        assert (corpus / "whole" / name).read_bytes() == (corpus / "killed" / name).read_bytes()


def test_the_command_line_takes_a_way_to_resize(corpus, encoder, capsys):
    (corpus / "params.yaml").write_text("embed: {}\n")
    arguments = ["--config", str(corpus / "params.yaml"), "--pairs", str(corpus / "pairs.parquet"),
                 "--root", str(corpus), "--encoder", encoder.info["name"]]  # fmt: skip
    embed.main([*arguments, "--out", str(corpus / "own")])
    embed.main([*arguments, "--out", str(corpus / "whole"), "--resize", "squash"])
    own, whole = (read_embeddings(corpus / n, corpus / "pairs.parquet") for n in ("own", "whole"))
    assert own.manifest["encoder"] == encoder.info
    assert whole.manifest["encoder"]["preprocess"]["resize_mode"] == "squash"
    assert (np.asarray(own.image)[:5] != np.asarray(whole.image)[:5]).any(axis=1).all()
    np.testing.assert_array_equal(own.text, whole.text)
    with pytest.raises(SystemExit, match="^resize: must be one of"):
        embed.main([*arguments, "--out", str(corpus / "none"), "--resize", "stretch"])


def test_without_an_encoder_every_one_of_the_settings_gets_a_folder(corpus, encoder, capsys):
    def settings(*encoders):
        lines = "".join(f"  - {one}\n" for one in encoders)
        (corpus / "params.yaml").write_text(f"embed:\n  encoders:\n{lines}")

    name, out = encoder.info["name"], corpus / "all"
    arguments = ["--config", str(corpus / "params.yaml"), "--pairs", str(corpus / "pairs.parquet"),
                 "--root", str(corpus), "--out", str(out)]  # fmt: skip
    settings(f"{{name: plain, model: '{name}'}}", f"{{name: sq, model: '{name}', resize: squash}}")
    embed.main(arguments)
    assert sorted(path.name for path in out.iterdir()) == ["plain", "sq"]
    one = run(corpus, encoder, settings=EmbedSettings())
    np.testing.assert_array_equal(
        read_embeddings(out / "plain", corpus / "pairs.parquet").image, one.image
    )
    made = read_embeddings(out / "sq", corpus / "pairs.parquet").manifest["encoder"]["preprocess"]
    assert made["resize_mode"] == "squash"

    before = (out / "plain" / "image.npy").stat().st_mtime_ns
    settings(f"{{name: plain, model: '{name}'}}")
    embed.main(arguments)
    assert [path.name for path in out.iterdir()] == ["plain"]  # no stage may read the other
    assert (out / "plain" / "image.npy").stat().st_mtime_ns == before  # not made again
    with pytest.raises(SystemExit, match="--resize: belongs to --encoder"):
        embed.main([*arguments, "--resize", "squash"])
    for text, why in (
        ("{}", "embed.encoders: none are there"),
        (f"{{encoders: [{{name: '', model: '{name}'}}]}}", "encoders: each needs a name of its"),
    ):
        (corpus / "params.yaml").write_text(f"embed: {text}\n")
        with pytest.raises(SystemExit, match=why):
            embed.main(arguments)


def test_a_half_written_progress_line_does_not_count(tmp_path):
    from lib.embeddings import open_arrays, read_progress, record_block

    open_arrays(tmp_path, 4, 2)
    record_block(tmp_path / "progress.jsonl", "image", 0, {1: "why"})
    with (tmp_path / "progress.jsonl").open("a") as stream:
        stream.write('["image", 1, {')
    open_arrays(tmp_path, 4, 2)
    record_block(tmp_path / "progress.jsonl", "text", 0, {})
    assert read_progress(tmp_path / "progress.jsonl") == {
        ("image", 0): {"1": "why"},
        ("text", 0): {},
    }


def test_finished_embeddings_are_not_made_again(corpus, encoder, monkeypatch):
    run(corpus, encoder)
    monkeypatch.setattr(embed, "encode_pixels", None)
    run(corpus, encoder)


def test_a_changed_picture_is_not_served_from_the_old_embeddings(corpus, encoder):
    before = np.array(run(corpus, encoder).image[0])
    Image.new("RGB", (64, 64), (9, 99, 200)).save(corpus / "0.jpg")
    assert not np.array_equal(run(corpus, encoder).image[0], before)


def test_embeddings_of_another_table_are_refused(corpus, encoder):
    run(corpus, encoder)
    table = pd.read_parquet(corpus / "pairs.parquet")
    write_pairs(table.iloc[::-1], corpus / "other.parquet")
    with pytest.raises(EmbedError, match="made from another pairs table"):
        read_embeddings(corpus / "out", corpus / "other.parquet")
    with pytest.raises(EmbedError, match="run the stage embed"):
        read_embeddings(corpus / "nowhere", corpus / "pairs.parquet")


def test_settings_out_of_range_are_named():
    with pytest.raises(ValueError, match="block: must be at least 1, got 0"):
        EmbedSettings(block=0).validate()


def test_a_thread_that_begins_with_a_small_product_has_one_core_as_well():
    torch.manual_seed(0)
    rows, weights, made = torch.randn(6, 1280), torch.randn(256, 1280), []
    with one_thread_each():
        right = linear(rows, weights)
        batches = [embed._Batch("image", 0, (0,))]
        list(embed._in_parallel(lambda _: made.append(linear(rows, weights)), batches, 1))
    assert torch.equal(made[0], right)
