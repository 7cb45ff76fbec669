"""Encoders: models load as they were trained, from anywhere, or not at all."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

from lib import encoders, paths
from lib.checkpoints import RECORD, WEIGHTS, file_digest
from lib.encoders import EncoderError, encode_images, encode_texts, load_encoder
from lib.sample.tiny import TINY_CFG, tiny_clip


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A tiny model folder that no test changes."""
    return tiny_clip(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture
def copy(tiny, tmp_path):
    """A copy of it that a test may spoil."""
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


def edit(file, **changes):
    """Change top-level keys of a JSON file; None removes one."""
    content = json.loads(file.read_text()) | changes
    file.write_text(json.dumps({k: v for k, v in content.items() if v is not None}))


def test_a_local_folder_gives_the_saved_model_bit_for_bit(tiny):
    encoder = load_encoder(f"local-dir:{tiny}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        fresh = open_clip.CLIP(**TINY_CFG, quick_gelu=False).eval()
    images = [Image.new("RGB", (50, 40), (c, 90, 30)) for c in (0, 128, 255)]
    pixels = torch.stack([encoder.preprocess(image) for image in images])
    with torch.inference_mode():
        expected = fresh.encode_image(pixels).numpy()
    np.testing.assert_array_equal(encode_images(encoder, images), expected)
    assert encoder.dim == expected.shape[1] == 32


def test_texts_come_back_in_their_own_order(tiny):
    encoder = load_encoder(f"local-dir:{tiny}")
    texts = ["a long sentence about nothing in particular", "a", "two words"]
    alone = np.concatenate([encode_texts(encoder, [text]) for text in texts])
    np.testing.assert_allclose(encode_texts(encoder, texts, batch=2), alone, atol=1e-6)
    assert encode_texts(encoder, []).shape == (0, 32)


@pytest.mark.parametrize(
    ("name", "tag", "definition"),
    [
        ("ViT-B-32", "openai", "ViT-B-32-quickgelu"),
        ("ViT-L-14-336", "openai", "ViT-L-14-336-quickgelu"),
        ("ViT-B-32-quickgelu", "openai", "ViT-B-32-quickgelu"),
        ("ViT-H-14", "laion2b_s32b_b79k", "ViT-H-14"),
        ("ViT-B-32", "laion2b_s34b_b79k", "ViT-B-32"),
    ],
)
def test_openai_tags_get_their_quickgelu_definition(name, tag, definition):
    assert encoders._definition(name, tag) == definition


@pytest.mark.parametrize(
    ("name", "tag", "device", "words"),
    [
        ("ViT-B-32", None, "cpu", "no weights; set pretrained to one of openai"),
        ("ViT-B-32", "opneai", "cpu", "no weights 'opneai'; known: openai"),
        ("ViT-B-33", "openai", "cpu", "no model of this name"),
        ("local-dir:no/such/folder", None, "cpu", "no/such/folder/open_clip_config.json"),
        ("local-dir:anything", "openai", "cpu", "holds its own weights"),
    ],
)
def test_what_cannot_be_meant_is_one_clear_line(name, tag, device, words):
    with pytest.raises(EncoderError, match=words) as caught:
        load_encoder(name, tag, device)
    assert "\n" not in str(caught.value)


def test_cuda_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EncoderError, match="finds no CUDA device"):
        load_encoder("ViT-B-32", "openai", device="cuda")


def test_a_bare_weight_file_is_refused(tiny):
    with pytest.raises(EncoderError, match="records neither activation nor preprocessing"):
        load_encoder("ViT-B-32", str(tiny / WEIGHTS))


def test_a_flipped_byte_in_the_weights_is_found(copy):
    data = bytearray((copy / WEIGHTS).read_bytes())
    data[-100] ^= 1
    (copy / WEIGHTS).write_bytes(data)
    with pytest.raises(EncoderError, match=rf"{WEIGHTS}: corrupted: sha256"):
        load_encoder(f"local-dir:{copy}")


def test_unreadable_weights_are_named_even_without_a_record(copy):
    (copy / RECORD).unlink()
    (copy / WEIGHTS).write_bytes((copy / WEIGHTS).read_bytes()[:1000])
    with pytest.raises(EncoderError, match=rf"{WEIGHTS}: corrupted: not readable"):
        load_encoder(f"local-dir:{copy}")


def test_no_weights_is_no_random_model(copy):
    (copy / WEIGHTS).unlink()
    with pytest.raises(EncoderError, match="no weights; a random model"):
        load_encoder(f"local-dir:{copy}")


def test_wrong_gelu_is_an_error_not_a_silence(copy):
    config = json.loads((copy / "open_clip_config.json").read_text())
    config["model_cfg"]["quick_gelu"] = True
    (copy / "open_clip_config.json").write_text(json.dumps(config))
    with pytest.raises(EncoderError, match="activation differs .* built .*quick_gelu"):
        load_encoder(f"local-dir:{copy}")


def test_wrong_preprocess_is_an_error(copy):
    config = json.loads((copy / "open_clip_config.json").read_text())
    edit(
        copy / "open_clip_config.json", preprocess_cfg=config["preprocess_cfg"] | {"mean": [0] * 3}
    )
    with pytest.raises(EncoderError, match="preprocess differs"):
        load_encoder(f"local-dir:{copy}")
    edit(copy / "open_clip_config.json", preprocess_cfg=None)
    with pytest.raises(EncoderError, match="preprocess_cfg is missing"):
        load_encoder(f"local-dir:{copy}")


def test_open_clip_warnings_become_errors(tiny):
    with pytest.raises(EncoderError, match="No pretrained weights loaded"), encoders._traps("x"):
        open_clip.create_model("ViT-S-32-alt", pretrained=None)


def test_weights_digest_is_in_the_info(tiny):
    info = load_encoder(f"local-dir:{tiny}").info
    assert info["weights_sha256"] == file_digest(tiny / WEIGHTS)
    assert info["activation"] == {"image": "gelu", "text": "gelu"}
    assert info["preprocess"]["size"] == [32, 32]


def test_a_tall_picture_is_squashed_where_that_is_asked(tiny):
    tall = Image.new("RGB", (32, 128))
    tall.paste("white", (0, 0, 32, 16))  # lettering at the upper edge
    own = load_encoder(f"local-dir:{tiny}")
    squashing = load_encoder(f"local-dir:{tiny}", resize="squash")
    seen, whole = own.preprocess(tall), squashing.preprocess(tall)
    assert (seen == seen[:, :1, :1]).all()  # cut off: all that is left is black
    assert whole[:, :3].min() > whole[:, 8:].max()
    square = tall.resize((32, 32), Image.Resampling.BICUBIC)
    np.testing.assert_array_equal(encode_images(squashing, [tall]), encode_images(own, [square]))
    kept = own.info["preprocess"] | {"resize_mode": "squash"}
    assert squashing.info == own.info | {"preprocess": kept}
    assert load_encoder(f"local-dir:{tiny}", resize="shortest").info == own.info


def test_a_resize_that_there_is_not_is_one_line(tiny):
    with pytest.raises(EncoderError, match="^resize: must be one of shortest, .* not 'crop'$"):
        load_encoder(f"local-dir:{tiny}", resize="crop")


def test_a_resize_that_was_asked_for_hides_no_other_difference(copy):
    config = json.loads((copy / "open_clip_config.json").read_text())
    wrong = config["preprocess_cfg"] | {"mean": [0] * 3}
    edit(copy / "open_clip_config.json", preprocess_cfg=wrong)
    with pytest.raises(EncoderError, match="preprocess differs"):
        load_encoder(f"local-dir:{copy}", resize="squash")


def test_bf16_and_amp_run(tiny):
    image = [Image.new("RGB", (32, 32), (10, 200, 30))]
    full = encode_images(load_encoder(f"local-dir:{tiny}"), image)
    for precision in ("bf16", "amp_bf16"):
        made = encode_images(load_encoder(f"local-dir:{tiny}", precision=precision), image)
        assert made.dtype == np.float32
        np.testing.assert_allclose(made, full, atol=0.1 * np.abs(full).max())


def test_the_folder_loads_offline_from_any_working_directory(tiny, tmp_path):
    code = (
        "from lib.encoders import *; import sys\n"
        "e = load_encoder(sys.argv[1]); print(encode_texts(e, ['a bridge']).shape)"
    )
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "PYTHONPATH": str(paths.ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code, f"local-dir:{tiny}"],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "(1, 32)", done.stderr


def test_workers_of_a_pool_have_one_thread_each_and_only_on_the_cpu():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with encoders.one_thread_each("cuda"):
        assert torch.get_num_threads() == 2
    seen = []

    def fail():
        with encoders.one_thread_each("cpu"):
            seen.append(torch.get_num_threads())
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert [*seen, torch.get_num_threads()] == [1, 2]
    torch.set_num_threads(before)
