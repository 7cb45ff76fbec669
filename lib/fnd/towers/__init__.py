"""Frozen towers of the fake-news study: BERT-like text towers and convolutional image towers."""
