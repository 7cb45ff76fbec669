"""The sample world: pictures, words and corpora made from packages alone, from a seed."""
