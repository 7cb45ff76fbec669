"""What the making of every sample corpus shares: folders that appear whole, and smoke sizes."""

from dataclasses import dataclass

import pytest

from lib import paths
from lib.sample import corpora


@dataclass(frozen=True)
class Settings:
    """Settings of a corpus that is not there."""

    shares: tuple[float, ...] = (0.5, 0.5)
    workers: int = 1


def test_a_failed_run_leaves_the_old_corpus(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    (old / "kept").write_text("1")
    with pytest.raises(OSError, match="full"):
        _fail(old, new)
    assert [file.name for file in old.iterdir()] == ["kept"]
    assert not new.exists()
    with corpora.fresh(old, new) as parts:
        assert not any(any(part.iterdir()) for part in parts)
        (parts[0] / "whole").write_text("1")
    assert [file.name for file in old.iterdir()] == ["whole"]
    assert sorted(file.name for file in tmp_path.iterdir()) == ["new", "old"]


def test_smoke_corpora_are_made_once_and_again_when_they_would_differ(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "scratch", lambda *parts: tmp_path)
    made = []

    def make_as(version, settings):
        def make(*outs):
            made.append((version, settings))
            for out in outs:
                out.mkdir(exist_ok=True)
                known = {} if settings is None else {"settings": corpora.recorded(settings)}
                corpora.write_card({"version": version, **known}, out)

        return corpora.smoke(["a", "b"], version, settings, make)

    assert make_as(1, Settings()) == [tmp_path / "a", tmp_path / "b"]
    make_as(1, Settings(workers=2))  # they do not change a byte
    assert len(made) == 1
    make_as(1, Settings(shares=(1.0,)))
    make_as(2, Settings(shares=(1.0,)))
    make_as(2, None)
    assert len(made) == 3
    (tmp_path / "b" / corpora.CARD).unlink()
    make_as(2, None)
    assert len(made) == 4


def test_work_is_done_in_order_and_by_any_number_of_processes(tmp_path):
    done = []
    corpora.write_all(done.append, [3, 1, 2], lambda job: job, 1, "jobs", progress=False)
    assert done == [1, 2, 3]
    files = [tmp_path / name for name in "ab"]
    corpora.write_all(_touch, files, str, 2, "jobs", progress=False)
    assert all(file.is_file() for file in files)


def _fail(*outs):
    with corpora.fresh(*outs) as parts:
        (parts[0] / "half").write_text("1")
        raise OSError("the disk is full")


def _touch(file):
    file.touch()
