"""Command line of the stage `sample_instacities`: the corpus that a config file describes."""

from __future__ import annotations

import sys
from typing import Any

from lib.sample import corpora
from lib.sample.instacities import Settings, build

SECTION = "sample.instacities"
FOLDERS = {"out": "data/sample/instacities"}


def main(arguments: list[str] | None = None) -> int:
    """Make the corpus that a config file describes; the result is the exit code."""
    return corpora.run(SECTION, Settings, FOLDERS, build, _told, arguments)


def _told(made: dict[str, Any]) -> list[str]:
    return [f"{made['posts']} posts, ceilings {made['ceilings']}"]


if __name__ == "__main__":
    sys.exit(main())
