"""Command line of the stage `sample_nmb`: the corpus that a config file describes."""

from __future__ import annotations

import sys
from typing import Any

from lib.sample import corpora
from lib.sample.nmb import Settings, build

SECTION = "sample.nmb"
FOLDERS = {"out": "data/sample/nmb"}


def main(arguments: list[str] | None = None) -> int:
    """Make the corpus that a config file describes; the result is the exit code."""
    return corpora.run(SECTION, Settings, FOLDERS, build, _told, arguments)


def _told(made: dict[str, Any]) -> list[str]:
    best = made["ceilings"]["accuracy"]
    return [f"{made['articles']} articles, {made['likely']:.1%} Likely, best accuracy {best}"]


if __name__ == "__main__":
    sys.exit(main())
