"""Speed of what the reports do hundreds of times, as ratios to the plain way in the same run.

Run by hand: pytest tests/benchmarks/test_reports_speed.py -s -o addopts=
Goals: systems that share their resamples take at most half the time of drawing for each; weights
summed by score class by class at most .9 of summing all rows twice; a figure is saved as SVG and
PNG in at most .9 of the time that it takes with a layout engine left in place.
Measured on one busy core: .01, .68 and .68.
"""

import time

import numpy as np
import pandas as pd

from lib import figures, stats
from lib.fnd.findings import metrics

ROWS, DRAWS, SYSTEMS = 1000, 1000, 20


def in_turns(runs, repeats=5):
    """Best processor time of each, in turns, so that a slow moment of the machine hits all."""
    best = dict.fromkeys(runs, np.inf)
    for _ in range(repeats):
        for name, run in runs.items():
            start = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - start)
    return best


def share(best, name, plain):
    print(
        f"\n{name} {best[name]:.3f} s, {plain} {best[plain]:.3f} s: {best[name] / best[plain]:.2f}"
    )
    return best[name] / best[plain]


def test_shared_draws_against_drawing_for_each_system():
    values, rows, made = np.random.default_rng(0).random((SYSTEMS, ROWS)), np.arange(ROWS), {}

    def run(kind):
        found = []
        for one in values:
            if kind == "each":
                stats._kept_counts.cache_clear()
            found.append(stats.resampled_sums(one[:, None], rows, DRAWS))
        made[kind] = np.hstack(found)

    best = in_turns({kind: lambda kind=kind: run(kind) for kind in ("shared", "each")})
    assert np.array_equal(made["shared"], made["each"])
    assert share(best, "shared", "each") <= 0.5


def plain_by_score(y, score, weights):
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(score[order]) > 0])
    rows, truth = weights[:, order].astype(float), y[order].astype(float)
    return tuple(
        np.add.reduceat(part, starts, axis=1) for part in (rows * truth, rows * (1 - truth))
    )


def test_classes_apart_against_both_at_once():
    rng = np.random.default_rng(0)
    y, score = rng.integers(0, 2, ROWS), rng.random(ROWS).round(3)
    weights, made = metrics.row_weights(np.arange(ROWS), DRAWS), {}
    ways = {"apart": metrics._by_score, "at once": plain_by_score}
    best = in_turns(
        {
            name: lambda name=name, way=way: made.update({name: way(y, score, weights)})
            for name, way in ways.items()
        }
    )
    for part, plain in zip(made["apart"], made["at once"], strict=True):
        assert np.array_equal(part, plain)
    assert share(best, "apart", "at once") <= 0.9


def drawn():
    fig, axes = figures.new(2, 2, (9, 6))
    for ax in axes.flat:
        ax.plot([0, 1], [0, 1])
        ax.set(title="a title", xlabel="x", ylabel="y")
    return fig


def test_a_figure_laid_out_once_against_a_placeholder(tmp_path, monkeypatch):
    def placeholder(fig):
        fig.draw_without_rendering()
        fig.set_layout_engine("none")
        for ax in fig.axes:
            bounds = np.round(ax.get_position(original=True).bounds, 4)
            ax.set_position(bounds, which="original")

    def run(name, settle):
        with monkeypatch.context() as patch:
            patch.setattr(figures, "_settle", settle)
            figures.save(drawn(), tmp_path, name, pd.DataFrame({"x": [0, 1]}))

    ways = {"once": figures._settle, "placeholder": placeholder}
    best = in_turns({name: lambda name=name, way=way: run(name, way) for name, way in ways.items()})
    for suffix in ("svg", "png"):
        files = [tmp_path / f"{name}.{suffix}" for name in ways]
        assert files[0].read_bytes() == files[1].read_bytes()
    assert share(best, "once", "placeholder") <= 0.9
