"""Command line of the stage `sample_instacities`: the corpus that a config file describes."""

from __future__ import annotations

import argparse
import json
import sys

from lib import params, paths
from lib.sample.instacities import build
from lib.sample.instacities.posts import Settings

SECTION = "sample.instacities"


def main(arguments: list[str] | None = None) -> int:
    """Make the corpus that a config file describes; the result is the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lib.sample.instacities")
    parser.add_argument(
        "--config", default="params.yaml", help="file with the section sample.instacities"
    )
    parser.add_argument("--out", default="data/sample/instacities", help="folder to write")
    options = parser.parse_args(arguments)
    try:
        settings = params.load(options.config, SECTION, Settings)
    except params.ParamsError as error:
        print(error, file=sys.stderr)
        return 1
    out = build(settings, options.out)
    made = json.loads((out / "card.json").read_text(encoding="utf-8"))
    print(f"{paths.relative(out)}: {made['posts']} posts, ceilings {made['ceilings']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
