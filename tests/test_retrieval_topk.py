"""Exact top-k: against brute force, at every block size, with ties, gaps and memory maps."""

import subprocess
import sys

import numpy as np
import pytest

from lib.retrieval import topk
from lib.retrieval.hubness import inverted_softmax
from lib.retrieval.topk import search, top_k


def rows(n, d=16, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(dtype)


def cosines(queries, images):
    q, x = (a.astype(np.float64) for a in (queries, images))
    q, x = (a / np.maximum(np.linalg.norm(a, axis=1, keepdims=True), 1e-12) for a in (q, x))
    return q @ x.T


def brute(scores, k):
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


@pytest.fixture(params=[1 << 22, 4000, 64])
def cells(request, monkeypatch):
    """Large, small and tiny blocks: one block of images, dozens, one group at a time."""
    monkeypatch.setattr(topk, "CELLS", request.param)


@pytest.mark.parametrize("n", [1, 7, 8, 500, 2003])
@pytest.mark.parametrize("k", [1, 10, 100])
@pytest.mark.usefixtures("cells")
def test_equals_brute_force(n, k):
    queries, images = rows(23), rows(n, seed=1, dtype=np.float16)
    expected = cosines(queries, images)
    found = top_k(queries, images, k)
    assert np.array_equal(found.ids, brute(expected, k))
    assert np.allclose(found.scores, np.take_along_axis(expected, found.ids, 1), atol=1e-6)


@pytest.mark.usefixtures("cells")
def test_ties_go_to_the_lower_id():
    images = np.tile(np.eye(4, dtype=np.float16), (90, 1))  # 0 4 8 ... are the same image
    queries = np.array([[1, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]], np.float32)
    found = top_k(queries, images, 90)
    assert found.ids[0].tolist() == list(range(0, 360, 4))
    assert found.ids[1].tolist() == list(range(3, 360, 4))
    assert found.ids[2].tolist() == list(range(90))  # a zero query: all scores are 0
    assert (found.scores[2] == 0).all()


@pytest.mark.usefixtures("cells")
@pytest.mark.parametrize("descending", [True, False])
def test_images_sorted_by_score(descending):
    # The worst case of a running top-k: every block is better than all before.
    angle = np.linspace(0.1, 1.5, 3000)[:: 1 if descending else -1]
    images = np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)
    queries = np.array([[1, 0], [1, 0.001], [0, 1]], np.float32)
    assert np.array_equal(top_k(queries, images, 50).ids, brute(cosines(queries, images), 50))


@pytest.mark.usefixtures("cells")
def test_unreadable_images_are_never_returned():
    queries, images = rows(5), rows(60, seed=1, dtype=np.float16)
    images[[0, 13, 59]] = np.nan
    good = np.setdiff1d(np.arange(60), [0, 13, 59])
    expected = good[brute(cosines(queries, images[good]), 57)]
    biased = {"plain": None, "biased": lambda z: inverted_softmax(z, 0.1)}
    found = search(queries, images, 60, biased)
    for one in found.values():
        assert (one.ids[:, 57:] == -1).all()
        assert (one.scores[:, 57:] == -np.inf).all()
    assert np.array_equal(found["plain"].ids[:, :57], expected)
    clean = top_k(queries, images[good], 57, lambda z: inverted_softmax(z, 0.1))
    assert np.array_equal(found["biased"].ids[:, :57], good[clean.ids])


@pytest.mark.usefixtures("cells")
def test_bias_sees_whole_columns_once():
    queries, images, bank = rows(20), rows(333, seed=1), rows(31, seed=2)
    seen = []

    def bias(z):
        seen.append(z.numpy().copy())
        return z.amax(0)

    found = top_k(queries, images, 9, bias, bank)
    columns = np.concatenate(seen, 1)[:, : len(images)]
    expected = cosines(bank, images)
    if len(seen) == 1:
        assert np.allclose(columns, expected, atol=1e-6)
    assert np.array_equal(found.ids, brute(cosines(queries, images) - expected.max(0), 9))


def test_a_memory_map_is_read_not_copied(tmp_path):
    images = rows(3000, seed=1, dtype=np.float16)
    np.save(tmp_path / "image.npy", images)
    mapped = np.load(tmp_path / "image.npy", mmap_mode="r")
    assert np.array_equal(top_k(rows(9), mapped, 5).ids, top_k(rows(9), images, 5).ids)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"queries": rows(2, 8)}, "queries: 8 dimensions a row, the images have 16"),
        ({"queries": rows(0)}, r"queries: must be a non-empty 2-d array, got shape \(0, 16\)"),
        ({"images": rows(1)[0]}, "images: must be a non-empty 2-d array"),
        ({"bank": rows(2, 9)}, "bank: 9 dimensions a row"),
        ({"k": 0}, "k: must be at least 1, got 0"),
        ({"queries": np.full((1, 16), np.nan, np.float32)}, "queries: row 0 is not finite"),
    ],
)
def test_bad_input_is_one_line(arguments, message):
    with pytest.raises(ValueError, match=message):
        top_k(**({"queries": rows(3), "images": rows(4)} | arguments))


def test_same_ids_as_faiss():
    faiss = pytest.importorskip("faiss")
    queries, images = rows(200, 64), rows(20000, 64, seed=1, dtype=np.float16)
    unit = images.astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    index = faiss.IndexFlatIP(64)
    index.add(unit)
    unit_queries = queries / np.linalg.norm(queries, axis=1, keepdims=True)
    scores, ids = index.search(unit_queries, 100)
    found = top_k(queries, images, 100)
    different = found.ids != ids
    assert different.mean() < 1e-3
    # Only what differs by a rounding error may stand in another order.
    assert np.abs(found.scores - scores)[different].max(initial=0) < 1e-6
    exact = cosines(unit_queries, unit)
    swapped = np.take_along_axis(exact, found.ids, 1) - np.take_along_axis(exact, ids, 1)
    assert np.abs(swapped[different]).max(initial=0) < 1e-6


MEMORY = """
import resource, numpy as np, torch
from lib.retrieval.topk import search
from lib.retrieval.hubness import bias_of
torch.set_num_threads(1)
rng = np.random.default_rng(0)
images = rng.standard_normal((60000, 64), dtype=np.float32).astype(np.float16)
queries = rng.standard_normal(({queries}, 64), dtype=np.float32)
search(queries[:8], images[:64], 4, {{"a": bias_of("csls"), "b": None}})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
search(queries, images, 100, {{"": None, "dual": bias_of("dual_softmax", 0.01)}})
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def test_working_memory_stays_small():
    # A scores matrix of 2,000 x 60,000 would be 480 MB.
    done = subprocess.run(
        [sys.executable, "-c", MEMORY.format(queries=2000)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert int(done.stdout) < 150
