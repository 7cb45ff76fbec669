"""Memes: auto-encoders across modalities, heads on raw and cooked features, losses, scores."""

# Parquet files of notebook 05.
FILES = ("predictions", "histories", "separation", "errors", "runs", "texts")
TRIVIAL = ("all_negative", "all_positive", "random")  # systems that look at nothing
