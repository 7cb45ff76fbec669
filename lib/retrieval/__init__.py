"""Text-to-image retrieval of news pictures: search, hubness, evaluation, submission files."""
