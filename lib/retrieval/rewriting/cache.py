"""Rewrites already made, kept in one sqlite file that survives a kill.

A batch is written in one transaction, so it is there whole or not at all. What is kept are the
model's candidates, before the guard: another guard needs no new decoding.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

from lib import paths
from lib.retrieval.rewriting import RewritingError

TABLE = "CREATE TABLE IF NOT EXISTS rewrites (key BLOB PRIMARY KEY, candidates TEXT NOT NULL)"
CHUNK = 500  # keys asked for at a time; sqlite allows 999 variables


class Cache:
    """Candidates by text, for one model and one way of decoding (`signature`)."""

    def __init__(self, path: str | Path, signature: Mapping[str, object]) -> None:
        """Use the file at `path`, made when first written to."""
        self.path = paths.resolve(path)
        self.signature = json.dumps(signature, sort_keys=True).encode()

    def get(self, texts: Sequence[str]) -> dict[str, list[str]]:
        """Candidates of those texts that are known; RewritingError for a damaged file."""
        if not self.path.exists():
            return {}
        known: dict[str, list[str]] = {}
        text_of = {self._key(text): text for text in texts}
        keys = list(text_of)
        with self._open() as connection:
            for first in range(0, len(keys), CHUNK):
                part = keys[first : first + CHUNK]
                marks = ",".join("?" * len(part))
                query = f"SELECT key, candidates FROM rewrites WHERE key IN ({marks})"
                for key, candidates in connection.execute(query, part):
                    known[text_of[key]] = json.loads(candidates)
        return known

    def put(self, candidates: Mapping[str, Sequence[str]]) -> None:
        """Store a batch: text -> candidates, best first."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        rows = [
            (self._key(text), json.dumps(list(found), ensure_ascii=False))
            for text, found in candidates.items()
        ]
        with self._open() as connection, connection:
            connection.executemany("INSERT OR REPLACE INTO rewrites VALUES (?, ?)", rows)

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(self.signature + b"\0" + text.encode()).digest()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=60)) as connection:
                connection.execute(TABLE)
                yield connection
        except (sqlite3.DatabaseError, json.JSONDecodeError) as error:
            raise RewritingError(
                f"cache: {paths.relative(self.path)}: cannot be used ({error}); "
                "delete the file and the rewrites are made again"
            ) from None
