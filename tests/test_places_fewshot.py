import numpy as np
import pytest

from lib.places import fewshot, scoring


@pytest.fixture
def world():
    """Clusters whose zero-shot class vectors are off by a good deal."""
    rng = np.random.default_rng(0)
    centres = scoring.normalise(rng.normal(size=(6, 32)))
    y = rng.integers(6, size=400)
    x = scoring.normalise(centres[y] + 0.18 * rng.normal(size=(400, 32)))
    classes = scoring.normalise(centres + 0.4 * rng.normal(size=(6, 32)))
    return x[:200], y[:200], x[200:], y[200:], classes


def accuracy(p, y):
    return (p.argmax(axis=1) == y).mean()


def test_shots_are_counted_nested_and_leave_out_no_class(world):
    _, y, *_ = world
    y = np.where(np.arange(len(y)) < 30, -1, y)
    one, four = (fewshot.draw_shots(y, k, seed=5) for k in (1, 4))
    assert np.bincount(y[four]).tolist() == [4] * 6
    assert set(one) < set(four)
    assert set(one) != set(fewshot.draw_shots(y, 1, seed=6))
    everything = fewshot.draw_shots(y, 10_000, seed=5)
    assert everything.tolist() == np.flatnonzero(y >= 0).tolist()
    with pytest.raises(ValueError, match="shots 0: must be at least 1"):
        fewshot.draw_shots(y, 0, 0)
    with pytest.raises(ValueError, match="no labelled post"):
        fewshot.draw_shots(np.full(3, -1), 1, 0)


def test_shots_beat_zero_shot(world):
    x, y, queries, truth, classes = world
    zero = accuracy(scoring.softmax_scores(queries, classes), truth)
    probe = fewshot.linear_probe(x, y, queries, 6, shots=8)
    tip = fewshot.tip_adapter(x, y, queries, classes, shots=8, alpha=20.0, beta=5.5)
    assert zero < 0.9
    assert accuracy(probe, truth) > zero + 0.03
    assert accuracy(tip, truth) > zero + 0.03
    np.testing.assert_allclose(probe.sum(axis=1), 1)
    np.testing.assert_allclose(tip.sum(axis=1), 1)
    again = fewshot.linear_probe(x, y, queries, 6, shots=8)
    assert again.tobytes() == probe.tobytes()


def test_probe_knows_only_classes_with_support(world):
    x, y, queries, _, _ = world
    y = np.where(y == 2, -1, y)
    p = fewshot.linear_probe(x, y, queries, 6, shots=4)
    assert (p[:, 2] == 0).all()
    assert (p[:, [0, 1, 3, 4, 5]] > 0).all()
    only = fewshot.linear_probe(x, np.where(y == 1, 1, -1), queries, 6, shots=4)
    assert (only[:, 1] == 1).all()


def test_tip_adapter_by_hand(world):
    x, y, queries, _, classes = world
    zero = scoring.softmax_scores(queries, classes)
    no_cache = fewshot.tip_adapter(x, y, queries, classes, shots=2, alpha=0.0)
    np.testing.assert_allclose(no_cache, zero)
    support = fewshot.draw_shots(y, 2, 0)
    z = 100 * queries[0] @ classes.T
    for row in support:
        z[y[row]] += 3.0 * np.exp(-2.0 * (1 - queries[0] @ x[row]))
    found = fewshot.tip_adapter(x, y, queries[:1], classes, shots=2, alpha=3.0, beta=2.0)
    np.testing.assert_allclose(found[0], scoring.softmax(z))


def test_key_gradient_is_the_derivative_of_the_loss(world):
    x, y, _, _, classes = world
    x, one_hot = x[:9], np.eye(6)[y[:9]]
    base = scoring.logits(x, classes, 10.0)
    keys = x + 0.1 * np.random.default_rng(1).normal(size=x.shape)

    def loss(keys):
        z = base + 2.0 * np.exp(-3.0 * (1 - x @ keys.T)) @ one_hot
        return -np.log(scoring.softmax(z)[np.arange(9), y[:9]]).mean()

    gradient = fewshot.key_gradient(keys, x, one_hot, base, 2.0, 3.0)
    for cell in [(0, 0), (3, 7), (8, 31)]:
        step = np.zeros_like(keys)
        step[cell] = 1e-6
        slope = (loss(keys + step) - loss(keys - step)) / 2e-6
        assert gradient[cell] == pytest.approx(slope, rel=1e-5)


def test_tuned_keys_fit_the_support_better(world):
    x, y, queries, truth, classes = world
    support = fewshot.draw_shots(y, 4, 0)

    def nll(epochs):
        p = fewshot.tip_adapter(x, y, x[support], classes, 4, epochs=epochs, alpha=5.0, lr=1e-2)
        return -np.log(p[np.arange(len(support)), y[support]]).mean()

    assert nll(40) < 0.8 * nll(0)
    tuned = fewshot.tip_adapter(x, y, queries, classes, 4, alpha=5.0, epochs=40, lr=1e-2)
    assert accuracy(tuned, truth) > accuracy(scoring.softmax_scores(queries, classes), truth)


def test_alpha_and_beta_are_chosen_on_held_out_posts(world):
    x, y, queries, truth, classes = world
    alpha, beta = fewshot.tune_tip_adapter(x, y, queries, truth, classes, shots=8)

    def at(alpha, beta):
        p = fewshot.tip_adapter(x, y, queries, classes, 8, alpha=alpha, beta=beta)
        return accuracy(p, truth)

    grid = {
        (a, b): at(a, b) for a in (0.5, 1.0, 2.0, 5.0, 10.0, 20.0) for b in (1.0, 2.0, 5.5, 10.0)
    }
    assert at(alpha, beta) == max(grid.values())
    assert alpha == min(a for (a, _), value in grid.items() if value == max(grid.values()))
