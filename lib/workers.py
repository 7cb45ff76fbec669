"""Worker processes and threads of one core each: how many, and how they start."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.pool import Pool
from typing import Any

SHARE = "STAGE_CORES"  # set by lib.pipeline for each of several stages that run side by side


def worker_count(wanted: int = 0) -> int:
    """Return how many to start: `wanted` (0: one a core), but no more than the stage's share.

    More of them than cores take the caches from one another: two runs of `embed`, of two threads
    each, took an eighth more of two cores' time at once than one after the other.
    """
    wanted = wanted or os.cpu_count() or 1
    return min(wanted, int(os.environ.get(SHARE, wanted)))


def worker_pool(number: int, begin: Callable[..., None], given: tuple[Any, ...]) -> Pool:
    """Return processes that have called `begin(*given)`; a context manager.

    A fork of this process would copy threads in the middle of their work, and starting anew costs
    each process the imports. So a server imports the module of `begin` and, before it has any
    thread, is forked; where the system has no such thing, processes start anew.
    """
    server = "forkserver" in multiprocessing.get_all_start_methods()
    context = multiprocessing.get_context("forkserver" if server else "spawn")
    if server:
        context.set_forkserver_preload([begin.__module__])
    return context.Pool(number, begin, given)
