"""Command line of the stage `sample_nmb`: the corpus that a config file describes."""

from __future__ import annotations

import argparse
import json
import sys

from lib import params, paths
from lib.sample.nmb import Settings, build

SECTION = "sample.nmb"


def main(arguments: list[str] | None = None) -> int:
    """Make the corpus that a config file describes; the result is the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lib.sample.nmb")
    parser.add_argument("--config", default="params.yaml", help=f"file with the section {SECTION}")
    parser.add_argument("--out", default="data/sample/nmb", help="folder of the corpus")
    options = parser.parse_args(arguments)
    try:
        settings = params.load(options.config, SECTION, Settings)
    except params.ParamsError as error:
        print(error, file=sys.stderr)
        return 1
    out = build(settings, options.out)
    made = json.loads((out / "card.json").read_text(encoding="utf-8"))
    best = made["ceilings"]["accuracy"]
    print(f"{paths.relative(out)}: {made['articles']} articles, {made['likely']:.1%} Likely")
    print(f"best accuracy by evidence {best}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
