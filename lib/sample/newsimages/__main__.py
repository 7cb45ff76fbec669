"""Command line of the stage `sample_newsimages`: the corpora that a config file describes."""

from __future__ import annotations

import argparse
import json
import sys

from lib import params, paths
from lib.sample.newsimages import Settings, build

SECTION = "sample.newsimages"


def main(arguments: list[str] | None = None) -> int:
    """Make the corpora that a config file describes; the result is the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lib.sample.newsimages")
    parser.add_argument("--config", default="params.yaml", help=f"file with the section {SECTION}")
    parser.add_argument("--out", default="data/sample/newsimages", help="folder of the six sets")
    parser.add_argument(
        "--pairs-out", default="data/sample/news_pairs", help="folder of the external pairs"
    )
    options = parser.parse_args(arguments)
    try:
        settings = params.load(options.config, SECTION, Settings)
    except params.ParamsError as error:
        print(error, file=sys.stderr)
        return 1
    out = build(settings, options.out, options.pairs_out)
    made = json.loads((out / "card.json").read_text(encoding="utf-8"))
    best = {name: one["ceilings"]["title"]["mrr"] for name, one in made["sets"].items()}
    print(f"{paths.relative(out)}: {made['pairs']} pairs, best MRR by title {best}")
    print(f"{paths.relative(options.pairs_out)}: {settings.pairs} pairs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
