"""Readers of news and posts judged as a whole: likely biased (NMB+), rumour (Weibo), fake news.

All give the same label columns, besides those of their own:

    label        1 for the positive class that the reader's docstring names, else 0
    label_name   the class as the data set itself writes it
    phash        hex of the picture's hash, empty without a picture

Which of a data set's values mean 1 is the setting `polarity`; a value that it does not name is an
error, as published code has trained on swapped classes more than once.
"""
