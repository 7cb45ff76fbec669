"""Command line of the stage `sample_newsimages`: the corpora that a config file describes."""

from __future__ import annotations

import sys
from typing import Any

from lib.sample import corpora
from lib.sample.newsimages import Settings, build

SECTION = "sample.newsimages"
FOLDERS = {"out": "data/sample/newsimages", "pairs-out": "data/sample/news_pairs"}


def main(arguments: list[str] | None = None) -> int:
    """Make the corpora that a config file describes; the result is the exit code."""
    return corpora.run(SECTION, Settings, FOLDERS, build, _told, arguments)


def _told(made: dict[str, Any], extra: dict[str, Any]) -> list[str]:
    best = {name: one["ceilings"]["title"]["mrr"] for name, one in made["sets"].items()}
    return [f"{made['pairs']} pairs, best MRR by title {best}", f"{extra['pairs']} pairs"]


if __name__ == "__main__":
    sys.exit(main())
