"""Text-to-image retrieval of news pictures: search, hubness, evaluation, submission files."""

FILES = ("queries", "top", "selections", "grid", "hubness")  # tables of the study's predictions
INTERNAL = "internal"  # the 2023 paper's own test set: the 2022 train sets together
