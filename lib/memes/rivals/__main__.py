"""Command line of the stage `features_mami`."""

from __future__ import annotations

import argparse

from lib import params
from lib.encoders import load_encoder
from lib.memes.rivals.features import FeatureSettings
from lib.memes.rivals.features.making import make_features
from lib.memes.rivals.joint.models import check
from lib.memes.rivals.settings import Rivals
from lib.provenance import record_path, run_record


def main(argv: list[str] | None = None) -> None:
    """Read the settings, refuse what the study could not run on, fill the folder."""
    parser = argparse.ArgumentParser(prog="python -m lib.memes.rivals", description=__doc__)
    for name in ("config", "pairs", "root", "encoder", "out"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--pretrained", help="tag of the weights; none for local-dir:<folder>")
    parser.add_argument("--resize", help="as for lib.embed; the texts read here do not change")
    args = parser.parse_args(argv)
    try:
        settings = params.load(args.config, "memes_rivals", FeatureSettings)
        check(params.load(args.config, "ssl_memes.systems.rivals", Rivals))
        encoder = load_encoder(args.encoder, args.pretrained, settings.device, resize=args.resize)
        with run_record(record_path(args.out), "features_mami", settings):
            made = make_features(args.pairs, args.root, encoder, args.out, settings)
    except (RuntimeError, ValueError) as error:
        raise SystemExit(str(error)) from None
    shapes = ", ".join(f"{name} {array.shape[1:]}" for name, array in made.arrays.items())
    print(f"{args.out}: {len(made['ids'])} memes: {shapes}")


if __name__ == "__main__":
    main()
