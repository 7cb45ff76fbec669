"""The thin shared library that the notebooks of PairLab import."""
