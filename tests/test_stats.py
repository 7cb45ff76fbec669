"""lib.stats against scipy and statsmodels, and against cases known by hand."""

import numpy as np
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.contingency_tables import mcnemar as sm_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint, proportion_effectsize

from lib import stats


@pytest.mark.parametrize(
    ("k", "n"), [(0, 100), (96, 100), (43, 100), (100, 100), (1, 3), (15308, 100000)]
)
def test_wilson_equals_statsmodels(k, n):
    got = stats.wilson(k, n)
    low, high = proportion_confint(k, n, method="wilson")
    assert got == pytest.approx((k / n, low, high), abs=1e-9)


def test_wilson_gives_the_limits_of_the_published_precisions():
    rounded = {k: [round(x, 2) for x in stats.wilson(k, 100)[1:]] for k in (96, 43, 94)}
    assert rounded == {96: [0.90, 0.98], 43: [0.34, 0.53], 94: [0.88, 0.97]}
    assert round(stats.wilson(0, 100).high, 3) == 0.037


def test_wilson_refuses_more_hits_than_draws_and_knows_no_share_of_nothing():
    with pytest.raises(ValueError, match="k=4, n=3"):
        stats.wilson(4, 3)
    assert np.isnan(stats.wilson(0, 0)).all()


@pytest.mark.parametrize("method", ["percentile", "bca"])
@pytest.mark.parametrize("statistic", [None, np.mean, np.median])
def test_bootstrap_agrees_with_scipy(method, statistic):
    values = np.random.default_rng(3).exponential(size=80)
    got = stats.bootstrap_ci(values, statistic, n=6000, seed=1, method=method)
    want = scipy_stats.bootstrap(
        (values,),
        statistic or np.mean,
        n_resamples=6000,
        method=method,
        rng=np.random.default_rng(2),
    ).confidence_interval
    assert got[1:] == pytest.approx((want.low, want.high), abs=0.04)


def test_bca_shifts_a_skewed_interval_upwards():
    values = np.random.default_rng(3).exponential(size=40)
    plain = stats.bootstrap_ci(values, n=5000, seed=1)
    bca = stats.bootstrap_ci(values, n=5000, seed=1, method="bca")
    assert bca.low > plain.low
    assert bca.high > plain.high


def test_mean_is_the_same_by_the_fast_and_the_general_path():
    rng = np.random.default_rng(0)
    values, clusters = rng.random(60), rng.integers(0, 20, 60)
    fast = stats.bootstrap_ci(values, clusters=clusters, n=300, seed=5)
    slow = stats.bootstrap_ci(values, np.mean, clusters=clusters, n=300, seed=5)
    assert fast == pytest.approx(slow)


def test_clusters_widen_the_interval_by_the_size_of_the_cluster():
    base = np.random.default_rng(0).random(100)
    repeated, clusters = np.repeat(base, 9), np.repeat(np.arange(100), 9)
    honest = stats.bootstrap_ci(repeated, clusters=clusters, n=4000, seed=1)
    naive = stats.bootstrap_ci(repeated, n=4000, seed=1)
    # Nine copies of each row carry no news: the naive interval is three times too narrow.
    assert (honest.high - honest.low) / (naive.high - naive.low) == pytest.approx(3, rel=0.1)


def test_percentile_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(11)
    covered = 0
    for seed in range(300):
        _, low, high = stats.bootstrap_ci(rng.normal(size=60), n=400, seed=seed)
        covered += low <= 0 <= high
    assert 0.90 <= covered / 300 <= 0.98


@pytest.mark.parametrize("cells", [stats.BLOCK_CELLS, 1000])  # kept whole, or drawn in blocks
def test_kept_draws_are_the_plain_draws(monkeypatch, cells):
    monkeypatch.setattr(stats, "BLOCK_CELLS", cells)
    plain = np.random.default_rng(3).multinomial(300, np.full(300, 1 / 300), size=20)
    for _ in range(2):  # made, then taken from what was kept
        assert np.array_equal(np.concatenate(list(stats.cluster_counts(300, 20, 3))), plain)
    values = np.random.default_rng(0).random((300, 2))
    sums = stats.resampled_sums(values, np.arange(300), 20, seed=3)
    assert sums == pytest.approx(plain @ values, rel=1e-12)
    mean = stats.bootstrap_ci(values[:, 0], n=20, seed=3)
    assert mean[1:] == pytest.approx(np.quantile(plain @ values[:, 0] / 300, [0.025, 0.975]))


def test_kept_draws_cannot_be_changed():
    (counts,) = stats.cluster_counts(5, 10, 1)
    with pytest.raises(ValueError, match="read-only"):
        counts[0] = 0


def test_bootstrap_is_a_function_of_its_seed():
    values = np.arange(30.0)
    assert stats.bootstrap_ci(values, seed=1) == stats.bootstrap_ci(values, seed=1)
    assert stats.bootstrap_ci(values, seed=1) != stats.bootstrap_ci(values, seed=2)


def test_bootstrap_leaves_out_resamples_without_a_value():
    values = np.array([[0.1, 0], [0.2, 0], [0.9, 1]])

    def both(x):
        return np.nan if len(set(x[:, 1])) < 2 else x[:, 0].max()

    assert stats.bootstrap_ci(values, both, n=200).high == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: stats.bootstrap_ci([]), "no rows"),
        (lambda: stats.bootstrap_ci([1.0], method="bcaa"), "bcaa"),
        (
            lambda: stats.bootstrap_ci([1.0, 2.0], clusters=[1]),
            "1 cluster labels for 2 rows",
        ),
        (lambda: stats.paired_bootstrap([1.0], [1.0, 2.0]), "shapes differ"),
        (lambda: stats.mcnemar([True], [True, False]), "shapes differ"),
        (lambda: stats.stratified_mean([3], [2], [5]), "hits <= drawn"),
    ],
)
def test_bad_input_is_one_line(call, message):
    with pytest.raises(ValueError, match=message) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_paired_bootstrap_matches_the_paired_t_test():
    rng = np.random.default_rng(4)
    b = rng.normal(size=200)
    a = b + rng.normal(0.06, 0.4, size=200)
    got = stats.paired_bootstrap(a, b, n=20000, seed=0)
    assert got.value == pytest.approx((a - b).mean())
    assert got.p == pytest.approx(scipy_stats.ttest_rel(a, b).pvalue, abs=0.01)
    assert (got.low > 0) == (got.p < 0.05)


def test_paired_bootstrap_of_equal_systems_is_no_difference():
    x = np.random.default_rng(0).random(50)
    assert stats.paired_bootstrap(x, x) == (0.0, 0.0, 0.0, 1.0)


def test_paired_bootstrap_takes_any_statistic():
    rng = np.random.default_rng(4)
    a, b = rng.normal(1, 1, 100), rng.normal(0, 1, 100)
    got = stats.paired_bootstrap(a, b, statistic=lambda x, y: np.median(x) - np.median(y), n=500)
    assert got.value == pytest.approx(np.median(a) - np.median(b))
    assert got.low > 0


@pytest.mark.parametrize(("exact", "correction"), [(True, True), (False, True), (False, False)])
def test_mcnemar_equals_statsmodels(exact, correction):
    rng = np.random.default_rng(7)
    a, b = rng.random(150) < 0.6, rng.random(150) < 0.5
    table = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    want = sm_mcnemar(np.array(table), exact=exact, correction=correction)
    got = stats.mcnemar(a, b, exact=exact, correction=correction)
    assert (got.statistic, got.p) == pytest.approx((want.statistic, want.pvalue))


def test_mcnemar_without_discordant_pairs():
    assert stats.mcnemar([True, False], [True, False]).p == 1.0


def test_holm_equals_statsmodels_and_keeps_gaps():
    p = np.random.default_rng(1).random(12) * 0.1
    assert stats.holm(p) == pytest.approx(multipletests(p, method="holm")[1])
    assert np.isnan(stats.holm([0.01, np.nan])[1])
    assert stats.holm([0.01, np.nan])[0] == 0.01


def test_cohens_h_equals_statsmodels():
    assert stats.cohens_h(0.6, 0.46) == pytest.approx(proportion_effectsize(0.6, 0.46))


def test_stratified_mean_of_the_published_table():
    sizes = [7410, 4681, 4329, 3879, 3806, 2729, 2599, 2155, 2003, 1763]
    hits = [96, 43, 53, 24, 0, 6, 63, 45, 36, 94]
    got = stats.stratified_mean(hits, [100] * 10, sizes)
    assert round(got.value, 3) == 0.495
    assert round(got.high - got.value, 3) == 0.024


def test_stratified_mean_is_exact_when_everything_was_judged():
    got = stats.stratified_mean([3, 1], [4, 1], [4, 1])
    assert got == (0.8, 0.8, 0.8)
    assert stats.stratified_mean([3, 1], [4, 1], [4, 1], finite=False).low < 0.8


def test_a_stratum_judged_once_is_as_unsure_as_a_share_can_be():
    got = stats.stratified_mean([30, 1], [60, 1], [400, 250])
    assert got.value == pytest.approx((400 * 0.5 + 250) / 650)
    known = stats.stratified_mean([30, 60], [60, 60], [400, 250])
    assert got.high - got.low > 2 * (known.high - known.low)


def test_stratified_interval_covers_the_population():
    rng = np.random.default_rng(2)
    strata = [rng.random(size) < share for size, share in ((400, 0.9), (250, 0.4), (90, 0.1))]
    truth = np.concatenate(strata).mean()
    inside = 0
    for _ in range(300):
        hits = [rng.choice(s, 60, replace=False).sum() for s in strata]
        _, low, high = stats.stratified_mean(hits, [60] * 3, [400, 250, 90])
        inside += low <= truth <= high
    assert 0.91 <= inside / 300 <= 0.99
