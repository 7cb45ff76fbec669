"""A small made-up world for tests of the fake-news study: agreement of picture and text decides."""

import numpy as np

from lib.fnd.inputs import Inputs
from lib.fnd.towers.image import ImageTower
from lib.fnd.towers.text import TextTower

D, LAYERS, CHUNKS, SENTENCES = 16, 3, 3, 4


def make_inputs(n=200, seed=0, noise=0.5):
    """Label 1 where picture and text disagree; BERT's vectors lean to it; two pictures are NaN."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)

    def drawn(*shape):
        return rng.normal(size=(n, *shape)).astype(np.float32)

    text = drawn(8)
    picture = np.where(label[:, None] == 1, drawn(8), text + noise * drawn(8))
    layers = drawn(LAYERS, D)
    layers[:, :, 0] += 3 * label[:, None]
    chunks = layers[:, -1:] + drawn(CHUNKS, D)
    features = {
        "clip_text": text, "clip_image": picture, "clip2_text": text, "clip2_image": picture,
        "bert_layers": layers, "bert_last": layers[:, -1], "bert_chunks": chunks,
        "bert_chunks_count": rng.integers(1, CHUNKS + 1, n), "distilroberta_last": layers[:, -1],
        "xlnet_sentences": drawn(SENTENCES, D),
        "xlnet_sentences_count": rng.integers(1, SENTENCES + 1, n),
        "bert_tuned": drawn(6, D), "bert_tuned_count": rng.integers(1, 7, n),
        "resnet_image": drawn(12), "vgg_image": drawn(12), "resnet_image_tuned": drawn(8, 4, 4),
    }  # fmt: skip
    features = {
        name: array.astype(np.float16 if array.dtype.kind == "f" else np.int32)
        for name, array in features.items()
    }
    for name in features:
        if "image" in name:
            features[name][[3, n - 3]] = np.nan
    split = np.repeat(["train", "validation", "test"], [n // 2, n // 4, n - n // 2 - n // 4])
    columns = {
        "id": np.array([f"a{row:03}" for row in range(n)], object),
        "label": label,
        "group": np.array([f"g{row // 2}" for row in range(n)], object),
        "outlet": np.array([f"outlet {row % 5}" for row in range(n)], object),
        "split": split.astype(object),
        "split_outlet": np.roll(split, n // 4).astype(object),
    }
    names = {
        "bert": "words", "xlnet": "words", "distilroberta": "words", "resnet": "pictures",
        "vgg": "pictures", "clip": "clip_l", "clip2": "clip_h",
    }  # fmt: skip
    towers = {
        "words": TextTower("tiny", window=8, boundary=2, tuned_tokens=6),
        "pictures": ImageTower("tiny", size=16, boundary=1),
    }
    return Inputs(features, columns, names, {}, towers)
