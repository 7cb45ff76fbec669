"""The figures of the zero-shot Places study, each from the study's predictions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
from emoji import replace_emoji
from IPython.display import Image
from matplotlib.figure import Figure

from lib import figures
from lib.data.images import load_rgb
from lib.places import labels, published, selective
from lib.places.study.contrasts import select
from lib.stats import wilson

FEWEST = 10  # posts below which a share is not drawn
CAPTION_SHOWN = 60  # characters
NOTE = {"textcoords": "offset points", "color": figures.MUTED, "fontsize": 8}


def show(fig: Figure, alt: str, sample: bool) -> Image:
    """A figure as a picture for a notebook, stamped when it is of a sample corpus."""
    fig.set_label(alt)
    if sample:
        figures.stamp(fig)
    return figures.show(fig)


def table1(predictions: pd.DataFrame, ids: Sequence[str]) -> pd.DataFrame:
    """Share of the posts `ids` classified by threshold and variant, with the paper's values.

    Returns variant, threshold, n, classified, share, low, high, paper (NaN where not printed).
    """
    rows = predictions[(predictions["system"] == "image") & predictions["id"].isin(ids)]
    parts = rows.groupby("variant", sort=False)["score"]
    table = pd.concat(
        selective.share_classified(score.to_numpy()).assign(variant=variant)
        for variant, score in parts
    )
    paper = published.table1().set_index(["prompts", "threshold"])["share"]
    keys = zip(table["variant"].str.split("/").str[-1], table["threshold"], strict=True)
    return table.assign(paper=[paper.get(key, np.nan) for key in keys]).reset_index(drop=True)


def classified(table: pd.DataFrame) -> Figure:
    """Table 1 drawn: one panel an encoder, one line a prompt set, the paper's values in grey."""
    table = table.assign(encoder=table["variant"].str.rpartition("/")[0])
    table = table.assign(prompts=table["variant"].str.rpartition("/")[2])
    encoders = table["encoder"].unique()
    fig, axes = figures.new(
        1, len(encoders), (0.6 + 4.6 * len(encoders), 4), squeeze=False, sharey=True
    )
    for ax, encoder in zip(axes.flat, encoders, strict=True):
        part = table[table["encoder"] == encoder].rename(columns={"share": "value"})
        ax.set_ylim(0, 1.02)  # before the names are placed
        figures.curves(ax, part, "threshold", "value", "prompts", band=True)
        paper = part.dropna(subset="paper")
        marks = {"raw": "D", "natural": "s"}
        for prompts, rows in paper.groupby("prompts", sort=False):
            ax.plot(
                rows["threshold"], rows["paper"], marks[prompts], color=figures.PAPER,
                markerfacecolor="white", markeredgewidth=1.3, label=f"paper, {prompts}",
            )  # fmt: skip
        ax.set(title=encoder, xlabel="probability at least")
        ax.set_xticks(sorted(part["threshold"].unique()))
    axes.flat[0].set_ylabel("share of posts classified")
    axes.flat[0].legend(fontsize=8)
    return fig


def precision_by_class(strata: pd.DataFrame, system: str = "image") -> Figure:
    """Table 2 drawn: precision of each judged class of one system, and the paper's if it has it.

    strata: first frame of `judging.table2`, of one variant.
    """
    mine = strata[strata["system"] == system].rename(columns={"precision": "value"})
    paper = published.table2().set_index("raw")["precision"]
    named = [f"{labels.display_of(r.y_pred)} ({r.hits} of {r.judged})" for r in mine.itertuples()]
    mine = mine.assign(named=named, paper=mine["y_pred"].map(paper))
    fig, ax = figures.new(size=(7.2, 1.1 + 0.36 * len(mine)))
    has_paper = "paper" if mine["paper"].notna().any() else None
    figures.interval_dots(ax, mine, "named", has_paper, wrap=40)
    ax.set(xlabel="precision among the posts drawn, 95 % interval", xlim=(-0.02, 1.02))
    ax.set_title(f"The most frequent answers, {mine['variant'].iloc[0]}")
    if has_paper:
        ax.legend(loc="lower left", bbox_to_anchor=(1, 0), fontsize=8)
    return fig


def by_threshold(tables: dict[str, pd.DataFrame], systems: Sequence[str]) -> Figure:
    """Table 3 of `systems` drawn: precision and share of posts kept over the threshold."""
    chosen = [tables[system].assign(system=system) for system in systems if system in tables]
    table = pd.concat(chosen, ignore_index=True)
    table = table[table["threshold"] < 1].assign(kept=table["n"] / table["n"].max())
    fig, axes = figures.new(1, 2, (13, 4.8))
    titles = {"precision": "Share right among the posts kept", "kept": "Share of posts kept"}
    for ax, (y, title) in zip(axes, titles.items(), strict=True):
        ax.set_ylim(0, 1.02)
        drawn = table[table["n"] >= FEWEST] if y == "precision" else table
        figures.curves(ax, drawn, "threshold", y, "system")
        ax.set(xlabel="threshold", title=title)
    return fig


def confidence(tested: pd.DataFrame, systems: Sequence[str]) -> Figure:
    """Risk-coverage curves of `systems`, and reliability before and after the temperature.

    tested: rows of one variant with a column `right`.
    """
    parts = {name: part for name, part in tested.groupby("system", sort=False) if name in systems}
    fig, axes = figures.new(1, 3, (14.5, 4.6), width_ratios=[1.7, 1, 1])
    curves = [
        selective.risk_coverage(part["score"], part["right"]).iloc[FEWEST - 1 :].assign(system=name)
        for name, part in parts.items()
    ]
    axes[0].set_ylim(0, 1.02)  # before the names are placed
    figures.curves(axes[0], pd.concat(curves), "coverage", "risk", "system")
    axes[0].set(xlabel="coverage: share of posts kept, most confident first", ylabel="share wrong")
    axes[0].set_title("Risk and coverage")
    for ax, name in zip(axes[1:], ("image", "image_calibrated"), strict=True):
        part = tested[tested["system"] == name]
        if part.empty:
            ax.set_axis_off()
            continue
        bins = selective.reliability(part["score"], part["right"], bins=10)
        hits = (bins["accuracy"] * bins["n"]).round().astype(int)
        found = [wilson(k, n) for k, n in zip(hits, bins["n"], strict=True)]
        bins = bins.assign(
            count=bins["n"], low=[f.low for f in found], high=[f.high for f in found]
        )
        figures.reliability(ax, bins, name)
        ax.set_ylabel("share right")
    return fig


def weights(grid: pd.DataFrame, paper_weight: float, prompts: str) -> Figure:
    """Accuracy on the fitting folds over the weight of the picture; one panel a pool.

    One line an encoder, at prompt set `prompts`; the band spans the folds.
    """
    grid = grid[grid["variant"].str.endswith(f"/{prompts}")]
    grid = grid.assign(variant=grid["variant"].str.rpartition("/")[0])
    table = grid.groupby(["system", "variant", "w_img"])["accuracy"].agg(["mean", "min", "max"])
    table = table.reset_index()
    table = table.rename(columns={"mean": "accuracy", "min": "low", "max": "high"})
    systems = table["system"].unique()
    fig, axes = figures.new(1, len(systems), (6 * len(systems), 4.2), squeeze=False, sharey=True)
    titles = {"ensemble_cv": "Linear pool", "log_pool_cv": "Log-linear pool (product)"}
    for ax, system in zip(axes.flat, systems, strict=True):
        part = table[table["system"] == system]
        figures.curves(ax, part, "w_img", "accuracy", "variant", band=True)
        ax.axvline(paper_weight, color=figures.PAPER, linestyle=":", linewidth=1.3)
        ax.annotate("paper", (paper_weight, 0.01), xycoords=("data", "axes fraction"),
                    xytext=(4, 0), **NOTE)  # fmt: skip
        ax.set(xlabel="weight of the picture (1 = caption ignored)", title=titles[system])
    axes.flat[0].set_ylabel("accuracy outside test")
    return fig


def shots(summary: pd.DataFrame, prompts: str) -> Figure:
    """Accuracy over labelled posts a class; dashed: zero-shot of the same encoder.

    summary: of `contrasts.summary`; one panel an encoder, compared at prompt set `prompts`.
    """
    few = summary[summary["system"].str.match(r"(linear_probe|tip_adapter)_\d+$")].copy()
    few["k"] = few["system"].str.extract(r"_(\d+)$", expand=False).astype(int)
    few["method"] = few["system"].str.replace(r"_\d+$", "", regex=True).str.replace("_", " ")
    few = few.rename(columns={"accuracy_low": "low", "accuracy_high": "high"})
    variants = few["variant"].unique()
    fig, axes = figures.new(
        1, len(variants), (0.6 + 5 * len(variants), 4), squeeze=False, sharey=True
    )
    image = summary[summary["system"] == "image"].set_index("variant")["accuracy"]
    for ax, variant in zip(axes.flat, variants, strict=True):
        ax.set_xscale("log")
        figures.curves(ax, few[few["variant"] == variant], "k", "accuracy", "method", band=True)
        ax.axhline(image[variant], color=figures.MUTED, linestyle="--", linewidth=1.3)
        ax.annotate(f"zero-shot, {prompts} prompts", (few["k"].min(), image[variant]),
                    xytext=(0, 4), **NOTE)  # fmt: skip
        ax.set_xticks(sorted(few["k"].unique()), labels=sorted(few["k"].unique()))
        ax.xaxis.set_minor_locator(mpl.ticker.NullLocator())
        ax.set(xlabel="labelled posts a class", title=variant.rpartition("/")[0])
    axes.flat[0].set_ylabel("test accuracy")
    return fig


def sheet(
    pairs: pd.DataFrame,
    root: Path,
    under: dict[str, str],
    colors: Sequence[str] | None = None,
    show_content: bool = False,
) -> Figure:
    """Pictures of the posts that are keys of `under`, its text below; blurred unless shown."""
    files = pairs.set_index("id")["image"]
    pictures = [load_rgb(root / files[post]) for post in under]
    return figures.contact_sheet(
        pictures, list(under.values()), show_content=show_content, colors=colors, wrap=26, side=1.9
    )


def changed(table: pd.DataFrame, pairs: pd.DataFrame, each: int = 6) -> tuple[dict, list[str]]:
    """Texts and frame colours for `sheet`: posts that a caption puts right, then those it spoils.

    table: of `contrasts.effect`.
    """
    picked = pd.concat([table[table["effect"] == kind].head(each) for kind in ("helps", "harms")])
    # The figures' font has no emoji; it would draw boxes.
    name, text = labels.display_of, pairs.set_index("id")["text"].loc[picked.index]
    under = {
        row.Index: f"{name(row.before)} → {name(row.after)}\n“{caption[:CAPTION_SHOWN]}”"
        for row, caption in zip(picked.itertuples(), text.map(replace_emoji), strict=True)
    }
    color = {"helps": figures.PALETTE["green"], "harms": figures.PALETTE["orange"]}
    return under, picked["effect"].map(color).tolist()


def misclassified(predictions: pd.DataFrame, variant: str, n: int = 12) -> dict[str, str]:
    """Texts for `sheet`: the most confident wrong answers of the image-only system on test posts.

    At most two posts of one confusion, so that the sheet shows kinds of errors.
    """
    rows = select(predictions, "image", variant, "test")
    rows = rows[(rows["y_true"] != "") & (rows["y_true"] != rows["y_pred"])]
    rows = rows.sort_values("score", ascending=False, kind="stable")
    rows = rows[rows.groupby(["y_true", "y_pred"]).cumcount() < 2].head(n)
    name = labels.display_of
    return {
        row.Index: f"{name(row.y_pred)} ({row.score:.2f}), truly {name(row.y_true)}"
        for row in rows.itertuples()
    }
