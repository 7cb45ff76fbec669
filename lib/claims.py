"""The claims file: every headline number, the file and cell it stands in, and how far it may move.

    python -m lib.claims            compare reports/claims.yaml with the tables of the report

The tables are made by the reports stage from predictions alone, so that after `make repro` a claim
that still holds has been recomputed. On another machine sums run in another order and a training
run ends elsewhere: `tolerance` is what that may change. The papers' own claims, with our verdicts,
are tables of the report themselves.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from lib import paths

FILE = "reports/claims.yaml"


class ClaimError(ValueError):
    """A claim names no number; one line says which claim and why."""


@dataclass(frozen=True)
class Claim:
    """One number that README or the report's front page states."""

    claim: str  # what the number is
    file: str  # CSV table, from the repository root
    key: str  # column of the number
    value: float
    tolerance: float  # absolute
    where: dict[str, Any] = field(default_factory=dict)  # column -> value that picks the one row

    def validate(self) -> None:
        """Raise ClaimError for a tolerance that is none, or that lets everything pass."""
        if not 0 < self.tolerance < max(abs(self.value), 0.02):
            raise ClaimError(f"{self.claim}: tolerance {self.tolerance} against {self.value}")


def read_claims(file: Path) -> list[Claim]:
    """Read and check the claims; raises ClaimError."""
    try:
        claims = [Claim(**entry) for entry in yaml.safe_load(file.read_text(encoding="utf-8"))]
    except TypeError as error:
        raise ClaimError(f"{paths.relative(file)}: {error}") from None
    for claim in claims:
        claim.validate()
    return claims


def found(claim: Claim, root: Path = paths.ROOT) -> float:
    """The number that the claim's table holds now; raises ClaimError unless one row has it."""
    file = root / claim.file
    if not file.is_file():
        raise ClaimError(f"{claim.claim}: {claim.file}: no such file; `make repro` makes it")
    table = pd.read_csv(file)
    missing = [column for column in (*claim.where, claim.key) if column not in table]
    if missing:
        raise ClaimError(f"{claim.claim}: {claim.file}: no column {missing[0]!r}")
    for column, value in claim.where.items():
        table = table[table[column].astype(str) == str(value)]
    if len(table) != 1:
        raise ClaimError(f"{claim.claim}: {claim.file}: {len(table)} rows with {claim.where}")
    return float(table[claim.key].iloc[0])


def broken(claims: list[Claim], root: Path = paths.ROOT) -> list[str]:
    """One line for each claim whose number moved by more than its tolerance."""
    return [
        f"{claim.claim}: claimed {claim.value}, {claim.file} has {now:.4f}"
        for claim in claims
        if not abs((now := found(claim, root)) - claim.value) <= claim.tolerance
    ]


def main() -> None:
    """Compare all claims; exit 1 and a line each where one does not hold."""
    try:
        claims = read_claims(paths.ROOT / FILE)
        lines = broken(claims)
    except ClaimError as error:
        sys.exit(f"claims: {error}")
    if lines:
        sys.exit("\n".join(f"claims: {line}" for line in lines))
    print(f"claims: {len(claims)} numbers hold within their tolerances")


if __name__ == "__main__":
    main()
