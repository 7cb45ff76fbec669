"""Text of news files: decoding line by line, repair of what was decoded wrongly before, dates."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import NamedTuple

import ftfy
from ftfy.badness import is_bad

from lib.data.groups import WORD
from lib.data.images import NO_HASH

ENTITY = re.compile(r"&(?:#\d+|#[xX][0-9a-fA-F]+|[A-Za-z][A-Za-z0-9]*);")
GARBLED = re.compile(r"\ufffd|[\x80-\x9f]")  # lost characters, and control codes no one types
EXCEL_DAY_ZERO = datetime(1899, 12, 30)
YEARS = range(1990, 2101)  # a date outside them was misread

MOJIBAKE = "mojibake repaired"
GARBLED_REMARK = "text looks garbled and could not be repaired"
ENTITIES = "HTML entities decoded"


class Line(NamedTuple):
    """One line of a text file: its number from 1, its text, the encoding that it was read in."""

    number: int
    text: str | None  # None: neither UTF-8 nor Windows-1252
    encoding: str


class Repaired(NamedTuple):
    """A text after repair, and what was done to it."""

    text: str
    remarks: tuple[str, ...]


def decode(data: bytes) -> tuple[str, str] | None:
    """Text and the name of its encoding: UTF-8, else Windows-1252; None when it is neither."""
    for encoding, name in (("utf-8-sig", "utf-8"), ("cp1252", "cp1252")):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if "\0" in text else (text, name)  # NULs: UTF-16, or no text at all
    return None


def read_lines(file: Path) -> Iterator[Line]:
    r"""Yield the lines of a file, each in UTF-8 or, failing that, Windows-1252.

    Public copies mix both in one file. Only \n and \r\n end a line: str.splitlines would also cut
    at control codes that stand inside mojibake.
    """
    with file.open("rb") as stream:
        for number, data in enumerate(stream, start=1):
            decoded = decode(data.rstrip(b"\r\n"))
            text, encoding = decoded or (None, "")
            yield Line(number, text, encoding)


def repair(text: str) -> Repaired:
    """Undo HTML entities and UTF-8 that was read as Windows-1252, however often; tidy space.

    "Ã¢â‚¬â€œ" is an en dash read wrongly twice. ftfy (Speer 2019) decides by what no one would
    write on purpose, so sound text in any language is left alone. Quotes stay curly.
    """
    remarks = []
    plain = " ".join(unicodedata.normalize("NFC", text).split())
    unescaped = ENTITY.sub(lambda match: html.unescape(match[0]), plain)
    if unescaped != plain:
        remarks.append(ENTITIES)
    if unescaped.isascii():
        return Repaired(" ".join(unescaped.split()), tuple(remarks))
    fixed = ftfy.fix_encoding(unescaped)
    if fixed != unescaped:
        remarks.append(MOJIBAKE)
    if GARBLED.search(fixed) or is_bad(fixed):
        remarks.append(GARBLED_REMARK)
    return Repaired(" ".join(unicodedata.normalize("NFC", fixed).split()), tuple(remarks))


def iso_date(value: str) -> str | None:
    """A date as ISO 8601, to the second in UTC where a time is given; "" for none, None if unread.

    Understood: ISO 8601; 20230720 and GDELT's 20230720183000 (also as the head of an article id,
    20230720183000-1470); seconds since 1970; the spreadsheet serial times 100,000 that the 2023
    files have in `Date` (4512778785 is 45127.78785, 2023-07-20 18:54:30); RFC 2822 (RSS,
    Twitter); 20.07.2023.
    """
    value = value.strip()
    if not value:
        return ""
    found = _from_digits(value) if re.fullmatch(r"\d+(-\d{1,6})?", value) else None
    found = found or _from_words(value)
    if found is None or found.year not in YEARS:
        return None
    if found.tzinfo:
        found = found.astimezone(UTC).replace(tzinfo=None)
    has_time = re.search(r"\d:\d\d|^\d{9}", value)
    return found.isoformat(timespec="seconds") if has_time else found.date().isoformat()


def words(text: str) -> str:
    """A text as its words alone, without case, punctuation or emoji: what equal titles share."""
    return " ".join(WORD.findall(text.casefold()))


def hex_hash(value: int) -> str:
    """A picture's 64-bit hash as 16 hex digits; "" for a picture that has none."""
    return f"{value & 0xFFFFFFFFFFFFFFFF:016x}" if value != NO_HASH else ""


def _from_digits(value: str) -> datetime | None:
    digits = value.split("-")[0]
    formats = {8: "%Y%m%d", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}
    try:
        if len(digits) in formats:
            return datetime.strptime(digits, formats[len(digits)])
        if len(digits) == 10 and int(digits) < 3_000_000_000:
            return datetime.fromtimestamp(int(digits), UTC)
        if len(digits) == 10:
            day = EXCEL_DAY_ZERO + timedelta(days=int(digits) / 100_000)
            return day.replace(microsecond=0)
        if len(digits) == 13:
            return datetime.fromtimestamp(int(digits) / 1000, UTC).replace(microsecond=0)
    except ValueError:
        return None
    return None


def _from_words(value: str) -> datetime | None:
    for form in ("%d.%m.%Y", "%a %b %d %H:%M:%S %z %Y"):  # German; Twitter's own
        try:
            return datetime.strptime(value, form)
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        pass
    try:
        return parsedate_to_datetime(value)
    except ValueError:
        return None
