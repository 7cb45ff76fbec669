"""Memes: auto-encoders across modalities, heads on raw and cooked features, losses, scores."""
