"""Command line of the stage `sample_mami`: the corpus that a config file describes."""

from __future__ import annotations

import argparse
import json
import sys

from lib import params, paths
from lib.sample.mami import Settings, build

SECTION = "sample.mami"


def main(arguments: list[str] | None = None) -> int:
    """Make the corpus that a config file describes; the result is the exit code."""
    parser = argparse.ArgumentParser(prog="python -m lib.sample.mami")
    parser.add_argument("--config", default="params.yaml", help=f"file with the section {SECTION}")
    parser.add_argument("--out", default="data/sample/mami", help="folder to write")
    options = parser.parse_args(arguments)
    try:
        settings = params.load(options.config, SECTION, Settings)
    except params.ParamsError as error:
        print(error, file=sys.stderr)
        return 1
    out = build(settings, options.out)
    made = json.loads((out / "card.json").read_text(encoding="utf-8"))
    best = made["ceilings"]["knowing_the_test_shares"]
    told = {key: (one["task_a"], one["task_b"]) for key, one in best.items()}
    print(f"{paths.relative(out)}: {made['memes']} memes, best scores A and B {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
