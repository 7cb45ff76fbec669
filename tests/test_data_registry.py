"""The registry of data sets: each can be read from nothing, and studies do not depend on all."""

import pytest

from lib import fingerprint, paths
from lib.data import readers as data
from lib.data.readers.fnd import fakenewsnet, nmb, weibo
from lib.data.readers.registry import READERS, SMOKE
from lib.schema import label_columns, validate_pairs

SETTINGS = {
    "nmb": nmb.Settings(need="both"),
    "weibo": weibo.Settings(),
    "fakenewsnet": fakenewsnet.Settings(),
}


def test_every_data_set_has_a_smoke_corpus():
    assert set(READERS) == set(SMOKE)


@pytest.mark.parametrize("name", SETTINGS)
def test_posts_judged_as_a_whole_are_prepared_from_nothing(name):
    root = data.find_root(name, "", SETTINGS[name])
    reading, grouping = data.prepare(name, root, SETTINGS[name])
    pairs = reading.pairs
    assert 40 < len(pairs) <= 60
    assert {"train", "validation", "test"} == set(pairs["split"])
    assert label_columns(pairs) == ["label_name"]
    assert ("split_outlet" in pairs.columns) == (name == "nmb")
    extra = dict.fromkeys(pairs.columns[8:])
    assert validate_pairs(pairs, name, extra).equals(pairs.reset_index(drop=True))
    assert grouping.report["posts"] == len(pairs)


def test_an_unknown_name_is_one_line():
    with pytest.raises(KeyError, match="dataset 'nbm': unknown; there are fakenewsnet, instac"):
        data.read("nbm", paths.ROOT, data.DatasetSettings())


def test_only_who_prepares_data_follows_the_readers():
    def files(target):
        return {line.split()[1] for line in fingerprint.fingerprint(target).splitlines()}

    modules = {f"{name.partition(':')[0].replace('.', '/')}" for name in READERS.values()}
    prepares = files("notebooks/01_data_preparation.ipynb")
    studies = files("lib.places.study.inputs") | files("lib.retrieval.study.opening")
    for module in modules:
        assert {f"{module}.py", f"{module}/__init__.py"} & prepares
    assert "lib/data/readers/fnd/nmb.py" not in studies
    assert "lib/sample/nmb/articles.py" in prepares
    assert not any(file.startswith("lib/sample/nmb") for file in studies)
