"""Workers: no more than a stage's share of the cores, and processes that have begun."""

import os
import sys

import pytest

from lib.workers import SHARE, worker_count, worker_pool


@pytest.mark.parametrize(
    ("share", "wanted", "number"),
    [(None, 3, 3), (None, 0, os.cpu_count()), ("1", 3, 1), ("2", 3, 2), ("64", 3, 3)],
)
def test_a_stage_keeps_to_its_share(monkeypatch, share, wanted, number):
    if share:
        monkeypatch.setenv(SHARE, share)
    else:
        monkeypatch.delenv(SHARE, raising=False)
    assert worker_count(wanted) == number


def test_processes_have_begun_with_what_was_given():
    mine = sys.getrecursionlimit()
    with worker_pool(2, sys.setrecursionlimit, (mine + 7,)) as pool:
        assert pool.starmap(sys.getrecursionlimit, [()] * 4) == [mine + 7] * 4
    assert sys.getrecursionlimit() == mine
