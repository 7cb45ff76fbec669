"""Images a second of `embed` against what the cores allow, and against a plain DataLoader loop.

    pytest tests/benchmarks/test_embed_speed.py -s

What the cores allow is cores / (decode + forward core-seconds of one row): the forward pass of its
picture and of its text, which the same run embeds. Core-seconds are measured while all cores do the
same, as they do in `embed`: they share memory and clock, so a core alone is faster, which no
program can have on all of them; the share of that is given too. Run on an idle machine.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from lib import paths
from lib.boundary import folded
from lib.checkpoints import save_local_dir
from lib.data.images import load_rgb
from lib.embed import EmbedSettings, embed_pairs
from lib.encoders import encode_pixels, encode_texts, load_encoder, one_thread_each
from lib.sample.clip import towers
from lib.sample.clip.pictures import draw_items, render
from lib.sample.pictograms import catalogue
from lib.schema import COLUMNS, write_pairs

COUNT = 1536
BATCH = 16


class Pictures(Dataset):
    """What a first script would write."""

    def __init__(self, files, preprocess):
        self.files, self.preprocess = files, preprocess

    def __len__(self):
        return len(self.files)

    def __getitem__(self, row):
        return self.preprocess(load_rgb(self.files[row]))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """1,536 JPEG scenes of 300 px and their pairs table."""
    folder = tmp_path_factory.mktemp("pictures")
    items = draw_items(catalogue()["emoji"].tolist()[:400:10], "openmoji", 24, 0.5, 0)
    scenes = [render(item, 300) for item in items]
    rows = []
    for i in range(COUNT):
        scenes[i % len(scenes)].save(folder / f"{i}.jpg", quality=90)
        rows.append(dict.fromkeys(COLUMNS, "") | {"id": str(i), "image": f"{i}.jpg", "text": "x",
                                                  "lang": "en", "group": str(i)})  # fmt: skip
    write_pairs(pd.DataFrame(rows), folder / "pairs.parquet")
    return folder


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    """The sample encoders' architecture, untrained projections."""
    folder = tmp_path_factory.mktemp("model") / "clip"
    model = towers.build(256, 160, 0)
    save_local_dir(model, folder, towers.model_config(256, 160), towers.text_files())
    return load_encoder(f"local-dir:{folder}")


def core_seconds(corpus, encoder, busy):
    """Core-seconds a row: decoding, forward pass of picture and text, while `busy` cores do so.

    Medians of 9 batches; the mean over cores.
    """
    encoder = replace(encoder, model=folded(encoder.model))
    files, texts = [corpus / f"{i}.jpg" for i in range(BATCH)], EmbedSettings().text_batch

    def one(_):
        decode, forward, text = [], [], []
        for _ in range(9):
            at = time.thread_time()
            pixels = torch.stack([encoder.preprocess(load_rgb(file)) for file in files])
            middle = time.thread_time()
            encode_pixels(encoder, pixels)
            end = time.thread_time()
            encode_texts(encoder, ["x"] * texts, texts)
            text.append((time.thread_time() - end) / texts)
            forward.append((end - middle) / BATCH)
            decode.append((middle - at) / BATCH)
        return [np.median(times) for times in (decode, forward, text)]

    with one_thread_each(), ThreadPoolExecutor(busy) as pool:
        return np.mean(list(pool.map(one, range(busy))), axis=0)


def test_images_a_second(benchmark, corpus, encoder, monkeypatch, tmp_path):
    monkeypatch.setattr(paths, "scratch", lambda *p: _made(tmp_path.joinpath("scratch", *p)))
    cores = len(os.sched_getaffinity(0))
    alone, loaded = (core_seconds(corpus, encoder, busy) for busy in (1, cores))
    rounds = iter(range(100))

    def run():
        out = tmp_path / str(next(rounds))
        return embed_pairs(corpus / "pairs.parquet", corpus, encoder, out, EmbedSettings())

    used = time.process_time()
    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
    used = (time.process_time() - used) / 4 / COUNT
    speed = COUNT / benchmark.stats.stats.min
    at = time.perf_counter()
    loader = DataLoader(
        Pictures([corpus / f"{i}.jpg" for i in range(COUNT)], encoder.preprocess), BATCH,
        num_workers=cores,
    )  # fmt: skip
    for pixels in loader:
        encode_pixels(encoder, pixels)
    plain = COUNT / (time.perf_counter() - at)
    benchmark.extra_info.update(
        cores=cores, images_per_second=speed, dataloader_per_second=plain, core_ms_used=1e3 * used,
        decode_ms_alone=1e3 * alone[0], forward_ms_alone=1e3 * alone[1],
        decode_ms_loaded=1e3 * loaded[0], forward_ms_loaded=1e3 * loaded[1],
        text_ms_alone=1e3 * alone[2], text_ms_loaded=1e3 * loaded[2],
        share_of_idle_cores=speed * alone.sum() / cores, share=speed * loaded.sum() / cores,
    )  # fmt: skip
    print("\n" + "  ".join(f"{k} {v:.3g}" for k, v in benchmark.extra_info.items()))


def _made(folder):
    folder.mkdir(parents=True, exist_ok=True)
    return folder
