"""Hubness: the identity of dual softmax, every bias against its dense form, gates, skewness."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp, softmax
from scipy.stats import skew

from lib.retrieval.hubness import (
    bias_of,
    dual_softmax,
    inverted_softmax,
    qb_norm,
    rank_images,
)
from lib.retrieval.hubs import METHODS, TEMPERATURES, k_occurrence, skewness


def rows(n, seed, d=12):
    return np.random.default_rng(seed).standard_normal((n, d)).astype(np.float32)


def unit(a):
    return (a / np.linalg.norm(a, axis=1, keepdims=True)).astype(np.float64)


QUERIES, IMAGES, BANK = rows(60, 0), rows(80, 1), rows(200, 2)
Z, ZBANK = unit(QUERIES) @ unit(IMAGES).T, unit(BANK) @ unit(IMAGES).T


def best(scores, k=80):
    return np.argsort(-scores, axis=1, kind="stable")[:, :k]


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_dual_softmax_is_the_printed_product(temperature):
    product = softmax(Z / temperature, 0) * softmax(Z / temperature, 1)
    assert (product > 0).all()
    found = rank_images(QUERIES, IMAGES, "dual_softmax", temperature, k=80)
    ranked = np.take_along_axis(product, found.ids, 1)
    assert (ranked[:, 1:] <= ranked[:, :-1] * (1 + 1e-5 / temperature)).all()
    assert (found.ids == best(product)).mean() > 0.999


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_dual_softmax_is_half_an_inverted_softmax(temperature):
    z = torch.from_numpy(Z)
    half = temperature * logsumexp(Z / temperature, axis=0) / 2
    assert np.allclose(dual_softmax(z, temperature), half, atol=1e-12)
    assert np.allclose(inverted_softmax(z, temperature), 2 * half, atol=1e-12)


def test_limits_of_the_temperature():
    z = torch.from_numpy(Z)
    assert np.allclose(dual_softmax(z, 1e-4), Z.max(0) / 2, atol=1e-3)
    spread = dual_softmax(z, 100.0).numpy() - Z.mean(0) / 2
    assert np.ptp(spread) < 1e-3  # half the column mean, up to a constant


def test_no_temperature_underflows():
    z = torch.from_numpy(Z).float()
    z[:, 3] = -1.0
    found = inverted_softmax(z, 1e-3)
    assert torch.isfinite(found).all()
    assert float(found[3]) == pytest.approx(-1 + 1e-3 * np.log(60), abs=1e-5)


@pytest.mark.parametrize("bank", [None, BANK])
def test_csls_and_nnn_against_their_definitions(bank):
    z = Z if bank is None else ZBANK
    near = np.sort(z, axis=0)[::-1]
    query_side = np.sort(Z, axis=1)[:, ::-1][:, :10].mean(1, keepdims=True)
    csls = 2 * Z - query_side - near[:10].mean(0)
    assert np.array_equal(rank_images(QUERIES, IMAGES, "csls", k=80, bank=bank).ids, best(csls))
    nnn = Z - 0.75 * near[:128].mean(0)
    assert np.array_equal(rank_images(QUERIES, IMAGES, "nnn", k=80, bank=bank).ids, best(nnn))


def test_inductive_differs_from_transductive_and_needs_no_other_query():
    together = rank_images(QUERIES, IMAGES, "inverted_softmax", 0.05, bank=BANK)
    alone = rank_images(QUERIES[:1], IMAGES, "inverted_softmax", 0.05, bank=BANK)
    assert np.array_equal(together.ids[:1], alone.ids)
    transductive = rank_images(QUERIES, IMAGES, "inverted_softmax", 0.05)
    assert not np.array_equal(together.ids, transductive.ids)


@pytest.mark.parametrize("bank", [None, BANK[:15]])
def test_qb_norm_gates_by_the_hubs_of_the_bank(bank):
    found, gate = qb_norm(QUERIES, IMAGES, 20, bank, temperature=0.05)
    z = Z if bank is None else ZBANK[:15]
    hubs = set(z.argmax(1))
    assert gate.tolist() == [row.argmax() in hubs for row in Z]
    inverted = best(Z - 0.05 * logsumexp(z / 0.05, axis=0), 20)
    expected = np.where(gate[:, None], inverted, best(Z, 20))
    assert np.array_equal(found.ids, expected)
    if bank is None:
        assert gate.all()
    else:
        assert 0 < gate.mean() < 1


def test_every_method_beats_planted_hubs():
    rng = np.random.default_rng(5)
    images = unit(rng.standard_normal((400, 32)))
    queries = unit(images + 0.28 * rng.standard_normal((400, 32)) + 0.5 * images[0])
    images[:20] = unit(images[:20] + 2.0 * queries.mean(0) / np.linalg.norm(queries.mean(0)))
    own = np.arange(400)[:, None]
    plain = rank_images(queries, images, "plain", k=10)
    start = skewness(k_occurrence(plain.ids, 400))
    assert start > 2
    for method in set(METHODS) - {"plain"}:
        found = rank_images(queries, images, method, 0.02, k=10)
        assert (found.ids[:, :1] == own).mean() > (plain.ids[:, :1] == own).mean(), method
        assert skewness(k_occurrence(found.ids, 400)) < start, method


def test_k_occurrence_and_skewness():
    ids = np.array([[0, 1, -1], [0, 2, 1]])
    assert k_occurrence(ids, 4, 2).tolist() == [2, 1, 1, 0]
    assert k_occurrence(ids, 4, 3).tolist() == [2, 2, 1, 0]
    counts = np.random.default_rng(0).poisson(3, 500)
    assert skewness(counts) == pytest.approx(skew(counts))
    assert skewness(np.full(9, 4)) == 0.0


def test_bad_settings_are_one_line():
    with pytest.raises(ValueError, match="method: 'softmax' is none of plain, dual_softmax"):
        bias_of("softmax")
    with pytest.raises(ValueError, match="temperature: must be above 0, got 0"):
        bias_of("dual_softmax", 0)
