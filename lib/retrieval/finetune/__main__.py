"""Command line of the stages `finetune_retrieval_*`: runs of one encoder, all their seeds."""

from __future__ import annotations

import argparse
from typing import Any

import torch

from lib import params, paths
from lib.encoders import load_encoder
from lib.machine import SECTION, Machine
from lib.retrieval import rewriting
from lib.retrieval.finetune import FinetuneRetrieval
from lib.retrieval.finetune.run import tune
from lib.retrieval.finetune.towers import Towers
from lib.schema import read_pairs


def main(argv: list[str] | None = None) -> None:
    """Read the settings, train each run's seeds, print what validation says of each."""
    parser = argparse.ArgumentParser(prog="python -m lib.retrieval.finetune")
    for name in ("config", "pairs", "root", "encoder", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--run", nargs="+", required=True, help="each gets a folder below --out")
    parser.add_argument("--pretrained", help="tag of the weights; none for local-dir:<folder>")
    args = parser.parse_args(argv)
    try:
        settings = params.load(args.config, "finetune_retrieval", FinetuneRetrieval)
        if threads := params.load(args.config, SECTION, Machine).threads:
            torch.set_num_threads(threads)  # on which the last digits of trained weights depend
        recipes = [settings.recipe_of(run) for run in args.run]  # a wrong name stops all at once
        rewrite = None
        if any(recipe.paraphrase for recipe in recipes):
            chosen = params.load(args.config, "rewriting", rewriting.Settings)
            rewrite = rewriting.make(chosen).rewrite
        table = read_pairs(paths.resolve(args.pairs))
        for run, recipe in zip(args.run, recipes, strict=True):
            encoder = load_encoder(args.encoder, args.pretrained, settings.device)  # untuned
            options = settings.grad_checkpointing, settings.block, settings.workers
            towers = Towers(encoder, recipe, *options)
            out = paths.resolve(args.out) / run
            _show(run, tune(table, paths.resolve(args.root), towers, settings, run, out, rewrite))
    except (RuntimeError, ValueError) as error:
        raise SystemExit(str(error)) from None


def _show(run: str, histories: list[dict[str, Any]]) -> None:
    """Print a line for each seed of a run."""
    for made in histories:
        scores = [row["validation"] for row in made["history"]]
        print(
            f"{run} seed {made['seed']}: validation MRR {made['zero_shot']:.4f} zero-shot, "
            f"{max(scores):.4f} after epoch {made['best_epoch'] + 1} of {len(scores)}"
        )


if __name__ == "__main__":
    main()
