"""Biased and fake news from text and image: systems, their training, evaluation and findings."""

FILES = ("predictions", "attention", "histories", "systems", "leakage", "search")
STORY, OUTLET = "story", "outlet"  # protocols: groups apart, or outlets apart
SHARE, SWAP, PERTURB = "share:", "swap:", "perturb:"  # first parts of a variant's name
