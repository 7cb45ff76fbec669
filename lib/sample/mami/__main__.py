"""Command line of the stage `sample_mami`: the corpus that a config file describes."""

from __future__ import annotations

import sys
from typing import Any

from lib.sample import corpora
from lib.sample.mami import Settings, build

SECTION = "sample.mami"
FOLDERS = {"out": "data/sample/mami"}


def main(arguments: list[str] | None = None) -> int:
    """Make the corpus that a config file describes; the result is the exit code."""
    return corpora.run(SECTION, Settings, FOLDERS, build, _told, arguments)


def _told(made: dict[str, Any]) -> list[str]:
    best = made["ceilings"]["knowing_the_test_shares"]
    told = {key: (one["task_a"], one["task_b"]) for key, one in best.items()}
    return [f"{made['memes']} memes, best scores A and B {told}"]


if __name__ == "__main__":
    sys.exit(main())
