"""The section of the data: labels, words, shapes, and what memes look like."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from lib.memes.corpus import cloud, counts, gallery
from lib.memes.findings import Findings
from lib.memes.panels import examples
from lib.report.html import Section
from lib.report.writer import Writer


def described(found: Findings, writer: Writer, shown: bool, root: Path | None) -> Section:
    """Counts and word cloud; the sheets of memes only where their pictures are at hand.

    shown: whether pictures and words of real memes may be seen; a sample's always may, but its
    slurs are masked in the cloud too, so that the masking is seen.
    """
    lead = (
        "Memes of the sample corpus: pictograms with a text over them. They insult robots; the "
        "labels keep MAMI's names."
        if found.sample
        else "Pictures of the data set are blurred, its words masked or left out, unless "
        "<code>show_content</code> is set."
    )
    return Section("data", "What memes look like", lead, [
        *_counted(found, writer, shown),
        *(_sheets(found, writer, shown or found.sample, root) if root is not None else []),
    ])  # fmt: skip


def _counted(found: Findings, writer: Writer, shown: bool) -> list[str]:
    pairs = found.pairs
    labels, words = counts.categories(pairs), counts.lengths(pairs)
    both = {split: counts.together(pairs, split) for split in ("train", "test")
            if (pairs["split"] == split).any()}  # fmt: skip
    bins = counts.histogram(words)
    frequent = cloud.frequencies(pairs["text"], shown)
    table = pd.concat([part.assign(split=split) for split, part in both.items()])
    return [
        writer.figure(counts.draw_categories(labels), "memes_categories", "Memes with each label, "
                      "by split", labels),
        writer.figure(counts.draw_together(both), "memes_together", "Types that come together",
                      table),
        writer.figure(counts.draw_lengths(words, bins), "memes_lengths", "Words of a text", bins),
        writer.figure(cloud.draw(frequent), "memes_cloud", "Frequent words, slurs masked",
                      frequent.head(120), ("png",)),
    ]  # fmt: skip


def _sheets(found: Findings, writer: Writer, shown: bool, root: Path) -> list[str]:
    pairs = found.pairs
    shapes = gallery.sizes(pairs, root)
    sheets = {"memes_short": ("Memes with the shortest texts", gallery.short_texts(pairs)),
              "memes_gallery": ("Memes of each type, and without a label",
                                examples.picked(pairs))}  # fmt: skip
    blocks = [writer.figure(gallery.draw_sizes(shapes, root, shown), "memes_sizes", "Memes of "
                            "different shape, pixels", shapes, ("png",))]  # fmt: skip
    for name, (caption, rows) in sheets.items():
        fig, table = gallery.sheet(rows, pairs, root, shown)
        blocks.append(writer.figure(fig, name, caption, table, ("png",)))
    return blocks
