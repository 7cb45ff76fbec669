"""Other orders: the clauses and phrases of a headline or caption, moved."""

from __future__ import annotations

import re

from lib.retrieval.rewriting.guard import is_ordinary, is_title_case
from lib.retrieval.rewriting.rules.lexicon import QUOTED, participles

TRIMMINGS = re.compile(r"((?:\+\+\+ )?)(.*?)((?: (?:\(Plus\)|#\w+|[^\w\s]+))*)", re.DOTALL)
CONJUNCTIONS = "after|amid|before|despite|during|following|while|when|because of|due to|ahead of|if"
PLACES = "in|at|near|outside|under|next to|beside|behind|in front of|with"
SEPARATORS = r"( [–—|-] | ?-- |: )"
# After these an "in" or "at" belongs to the verb or noun.
BOUND = (
    "interest believe believes involved increase rise drop fall role part invest invests back aim "
    "aims look looks laugh laughs stake cut cuts decline change changes surge set left together "
    "time days than"
)
# What follows a verb with one of these is no object, or one that points back to the subject.
NO_OBJECT = (
    "have has had is are was were will would can could be been being to that how why what who "
    "when his her their its it they he she him them"
)
STOPS = re.compile(
    r" (?:in|at|on|for|over|from|with|to|after|amid|before|during|as|by|into|near|against|ahead|"
    r"because|despite|following|while|when|who|which|that|and|but)\b|[,;:]",
    re.IGNORECASE,
)


def reorderings(text: str) -> list[str]:
    """All other orders that the rules find, in the order of the rules; trimmings stay in place."""
    before, core, after = TRIMMINGS.fullmatch(text).groups()
    rules = (_swap_parts, _front_clause, _back_clause, _passive, _speaker, _front_place, _swap_and)
    found = [rule(core) for rule in rules if core]
    return list(dict.fromkeys(before + new + after for new in found if new and new != core))


def _swap_parts(text: str) -> str | None:
    """`A: B` -> `B: A`, also with a dash or a bar; a kicker or source goes to the other end."""
    parts = re.split(SEPARATORS, text)
    if len(parts) < 3:
        return None
    first, separator, second = parts[0], parts[1], "".join(parts[2:])
    if len(parts) > 3 and len(parts[-1].split()) <= 3:
        first, second = "".join(parts[:-2]), parts[-1]
    if not all(re.search("[^\\W\\d]", part) for part in (first, second)):
        return None
    second = _up(second)
    short, long = sorted((first, second), key=len)
    if len(short.split()) > 3 or long[-1] in "?!.":
        return f"{second}{separator}{first}" if second[-1] not in "?!." else None
    return f"{second} ({first})" if short == first else f"{second}: {first}"


def _front_clause(text: str) -> str | None:
    """`A after B` -> `After B, A`."""
    match = re.fullmatch(rf"(.+?),? ({CONJUNCTIONS}) (.+)", text, re.IGNORECASE)
    if not match or not _is_plain(text):
        return None
    main, conjunction, clause = match.groups()
    if len(main.split()) < 2 or len(clause.split()) > 12 or "," in main:
        return None
    return f"{_up(conjunction)} {clause}, {_down(main, text)}"


def _back_clause(text: str) -> str | None:
    """`After B, A` -> `A after B`."""
    match = re.fullmatch(rf"({CONJUNCTIONS}) ([^,]+), ([^,]+)", text, re.IGNORECASE)
    if not match or not _is_plain(text):
        return None
    conjunction, clause, main = match.groups()
    return f"{_up(main)} {conjunction.lower()} {clause}"


def _passive(text: str) -> str | None:
    """`Police arrest…s X in Y` -> `X arrested by police in Y`, as headlines leave out "was"."""
    verbs = participles()
    words = text.split()
    if not _is_plain(text):
        return None
    for i, word in enumerate(words[1:5], start=1):
        participle = verbs.get(word.casefold())
        if not participle or " " in participle:
            continue
        subject, rest = " ".join(words[:i]), " ".join(words[i + 1 :])
        stop = STOPS.search(f" {rest}")
        at = max(stop.start() - 1, 0) if stop else len(rest)
        thing, tail = rest[:at], rest[at:]
        if STOPS.search(f" {subject} ") or not 1 <= len(thing.split()) <= 5:
            return None
        if thing.split()[0].casefold() in NO_OBJECT.split():
            return None
        participle = _up(participle) if word[0].isupper() else participle
        by = "By" if is_title_case(text) else "by"
        return f"{_up(thing)} {participle} {by} {_down(subject, text)}{tail}"
    return None


def _speaker(text: str) -> str | None:
    """`A, B says` -> `B says A`, and `A: B` with a short speaker at the end stays to others."""
    match = re.fullmatch(r"([^,]+), ([^,]{3,40}?) (says|say|claims|warns|reports)", text)
    if not match or not _is_plain(text):
        return None
    main, speaker, verb = match.groups()
    return f"{_up(speaker)} {verb} {_down(main, text)}"


def _front_place(text: str) -> str | None:
    """`A in B` -> `In B, A` where B is a short phrase at the end."""
    match = re.fullmatch(
        rf"(.+) ({PLACES}) ((?:[\w'’.\-]+ ){{0,4}}[\w'’.\-]+)", text, re.IGNORECASE
    )
    if not match or not _is_plain(text) or "," in text:
        return None
    main, preposition, place = match.groups()
    bound = main.split()[-1].casefold() in BOUND.split() or STOPS.search(f" {place} ")
    clause = any(word.casefold() in NO_OBJECT.split() for word in place.split())
    bound = bound or main.split()[-1].casefold() in NO_OBJECT.split()
    if len(main.split()) < 2 or bound or clause:
        return None
    return f"{_up(preposition)} {place}, {_down(main, text)}"


def _swap_and(text: str) -> str | None:
    """`a dog and two cats …` -> `two cats and a dog …`."""
    some = r"(?:an?|the|two|three|four|many)"
    match = re.match(
        rf"({some} (?:[\w-]+ ){{1,3}})and ({some} [\w-]+)(?=$|,| (?:{PLACES}|by)\b)", text, re.I
    )
    if not match:
        return None
    first, second = match.group(1).strip(), match.group(2)
    if STOPS.search(f" {first} "):
        return None
    first, second = (_down(first, text), _up(second)) if text[0].isupper() else (first, second)
    return f"{second} and {first}{text[match.end() :]}"


def _is_plain(text: str) -> bool:
    """True without quotations, questions, colons and dashes: moving a piece would break them."""
    return not (QUOTED.search(text) or re.search(r"[?!:;|]| [–—-] |\.$|\. ", text))


def _up(text: str) -> str:
    return text[0].upper() + text[1:]


def _down(text: str, whole: str) -> str:
    """A former beginning of a sentence in lower case, if its first word is no name."""
    first, *others = text.split()
    name = any(word[0].isupper() for word in others[: 2 if others[:1] == ["and"] else 1])
    acronym = first.isupper() and len(first) > 1
    if name or acronym or is_title_case(whole) or not (first == "A" or is_ordinary(first)):
        return text
    return text[0].lower() + text[1:]
