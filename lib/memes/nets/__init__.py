"""The networks of the memes study: auto-encoders across modalities, heads, losses, training."""
