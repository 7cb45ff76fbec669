"""Which data sets there are: name -> reader, and name -> maker of its smallest sample corpus.

Only who prepares data imports this module (notebook 01); lib.data.readers looks names up in it at
run time. So a new reader does not change the fingerprint of a study that reads finished tables.
"""

READERS = {
    "instacities": "lib.data.readers.instacities:read",
    "newsimages": "lib.data.readers.newsimages:read",
    "news_pairs": "lib.data.readers.news_pairs:read",
    "nmb": "lib.data.readers.fnd.nmb:read",
    "weibo": "lib.data.readers.fnd.weibo:read",
    "fakenewsnet": "lib.data.readers.fnd.fakenewsnet:read",
    "mami": "lib.data.readers.mami:read",
}
SMOKE = {
    "instacities": "lib.sample.instacities:smoke_corpus",
    "newsimages": "lib.sample.newsimages:smoke_corpus",
    "news_pairs": "lib.sample.newsimages:smoke_pairs",
    "nmb": "lib.sample.nmb:smoke_corpus",
    "weibo": "lib.sample.nmb.layouts:smoke_weibo",
    "fakenewsnet": "lib.sample.nmb.layouts:smoke_fakenewsnet",
    "mami": "lib.sample.mami:smoke_corpus",
}
