"""Outlet names in texts: a classifier that reads them learns who writes, not how."""

from __future__ import annotations

import re

TAIL = re.compile(r"^(?P<rest>.*\S)\s+[-–—|]\s+(?P<tail>[^|–—]+?)\s*$", re.S)
DATELINE = re.compile(r"^(?P<place>[^\n(]{0,60}?)\s*\((?P<name>[^()\n]{2,40})\)\s*[-–—:]+\s*")
HEAD = re.compile(r"^\W{0,3}(?P<name>[\w .&'’-]{2,40}?)\s*(?:[–—|:]|-(?=\s)|\n)\s*")
EDITIONS = {"us", "uk", "usa", "world", "news", "politics", "international", "online", "opinion"}
DOMAIN = re.compile(r"\.(?:com|ca|org|net|co\.uk)\b", re.I)


def strip_headline(headline: str, outlet: str) -> str:
    """A headline without ` - Outlet` at its end, however often; a headline of only that stays."""
    match = TAIL.match(headline)
    while match and is_outlet(match["tail"], outlet):
        headline = match["rest"]
        match = TAIL.match(headline)
    return headline


def strip_body(body: str, outlet: str) -> str:
    """An article without the outlet at its head: `Outlet\\n`, `Outlet —`, `CITY (Outlet) —`."""
    if (match := DATELINE.match(body)) and is_outlet(match["name"], outlet):
        return body[match.end() :]
    if (match := HEAD.match(body)) and is_outlet(match["name"], outlet):
        return body[match.end() :]
    return body


def is_outlet(text: str, outlet: str) -> bool:
    """Whether a text is an outlet's name, but for an edition (`CNN Politics`), or its initials.

    >>> is_outlet("AP", "The Associated Press"), is_outlet("CNN Politics", "CNN")
    (True, True)
    >>> is_outlet("New", "New York Post"), is_outlet("Guardian angels", "The Guardian")
    (False, False)
    """
    ours, theirs = _words(text), _words(outlet)
    if not ours or not theirs:
        return False
    common = min(len(ours), len(theirs))
    rest = {*ours[common:], *theirs[common:]}
    if ours[:common] == theirs[:common]:
        return rest <= EDITIONS or (len(rest) == 1 and 1 < len(ours) < len(theirs))
    return len(theirs) > 1 and ours == ["".join(word[0] for word in theirs)]


def _words(name: str) -> list[str]:
    words = re.findall(r"\w+", DOMAIN.sub("", name).casefold())
    return words[1:] if words[:1] == ["the"] and len(words) > 1 else words


def names_outlet(headline: str, body: str, outlet: str) -> bool:
    """Whether a headline ends, or an article begins, with the outlet's name."""
    if not outlet:
        return False
    return (strip_headline(headline, outlet), strip_body(body, outlet)) != (headline, body)
