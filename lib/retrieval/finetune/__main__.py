"""Command line of the stage `finetune_retrieval`: one run, all its seeds."""

from __future__ import annotations

import argparse

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
    """Read the settings, train the run's seeds, print what validation says of each."""
    parser = argparse.ArgumentParser(prog="python -m lib.retrieval.finetune")
    for name in ("config", "pairs", "root", "encoder", "run", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--pretrained", help="tag of the weights; none for local-dir:<folder>")
    args = parser.parse_args(argv)
    try:
        settings = params.load(args.config, "finetune_retrieval", FinetuneRetrieval)
        if threads := params.load(args.config, SECTION, Machine).threads:
            torch.set_num_threads(threads)  # on which the last digits of trained weights depend
        recipe = settings.recipe_of(args.run)
        rewrite = None
        if recipe.paraphrase:
            chosen = params.load(args.config, "rewriting", rewriting.Settings)
            rewrite = rewriting.make(chosen).rewrite
        table = read_pairs(paths.resolve(args.pairs))
        encoder = load_encoder(args.encoder, args.pretrained, settings.device)
        options = settings.grad_checkpointing, settings.block, settings.workers
        towers = Towers(encoder, recipe, *options)
        out = paths.resolve(args.out)
        histories = tune(table, paths.resolve(args.root), towers, settings, args.run, out, rewrite)
    except (RuntimeError, ValueError) as error:
        raise SystemExit(str(error)) from None
    for made in histories:
        scores = [row["validation"] for row in made["history"]]
        print(
            f"{args.run} seed {made['seed']}: validation MRR {made['zero_shot']:.4f} zero-shot, "
            f"{max(scores):.4f} after epoch {made['best_epoch'] + 1} of {len(scores)}"
        )


if __name__ == "__main__":
    main()
