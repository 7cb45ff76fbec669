"""Words of the sample world: emoji names in many languages, phrases, captions and their noise.

Names: Unicode CLDR short names as shipped by the package `emoji` (Unicode licence). Patterns and
synonyms stand in data/phrases.csv, data/captions.csv and data/synonyms.csv.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from lib.sample.scenery.paintbox import table

if TYPE_CHECKING:
    from lib.sample.scenes import Scene

LANGUAGES = ("en", "de", "es", "fr", "it", "pt")
LICENCE = "Emoji names: Unicode CLDR, by way of the Python package emoji. Licence: Unicode-3.0"
NUMBERS = {1: "a", 2: "two", 3: "three", 4: "four"}
# Names without an article: plurals and masses among the CLDR names.
MASS = frozenset(
    (
        "bread",
        "butter",
        "cheese",
        "salt",
        "honey",
        "popcorn",
        "sushi",
        "spaghetti",
        "bacon",
        "rice",
        "ice",
        "fire",
        "fog",
        "lightning",
        "tofu",
        "corn",
        "garlic",
        "ginger",
        "lettuce",
        "broccoli",
        "fries",
        "tea",
        "milk",
        "sake",
        "mate",
        "soap",
        "wood",
        "money",
        "mail",
        "people",
        "news",
        "luggage",
        "jewellery",
    )
)
IRREGULAR = {
    "person": "people",
    "man": "men",
    "woman": "women",
    "child": "children",
    "mouse": "mice",
    "sheep": "sheep",
    "fish": "fish",
    "deer": "deer",
    "goose": "geese",
    "knife": "knives",
    "leaf": "leaves",
    "wolf": "wolves",
    "bison": "bison",
}
VOWEL_SOUND = re.compile(r"^(?!(one|uni|use|uk|eur|ukulele))[aeiou]|^(hour|honest|x-ray)", re.I)


@cache
def _data(lang: str) -> dict[str, str]:
    """Return emoji -> CLDR name of one language, from the data files of the package `emoji`."""
    stem = "emoji" if lang == "en" else f"emoji_{lang}"
    data = json.loads((files("emoji") / "unicode_codes" / f"{stem}.json").read_text("utf-8"))
    raw = {key: value["en"] if lang == "en" else value for key, value in data.items()}
    return {key: value.strip(":").replace("_", " ").replace("’", "'") for key, value in raw.items()}


def name(emoji: str, lang: str = "en") -> str:
    """Return the CLDR name of an emoji in a language; KeyError names what is unknown."""
    names = _data(lang)
    if emoji not in names:
        raise KeyError(f"no {lang} name for emoji {emoji!r}")
    return names[emoji]


@cache
def synonyms(emoji: str) -> tuple[str, ...]:
    """Return English nouns for an emoji, the CLDR name first, then those of synonyms.csv."""
    plain = emoji.replace("\ufe0f", "")
    known = tuple(table("synonyms").get(plain, {"words": ""})["words"].split("|"))
    first = re.sub(r"\s*\(.*?\)|[“”\"!:]", "", name(emoji)).strip()
    return (first, *(word for word in known if word and word != first))


def noun(emoji: str, rng: np.random.Generator) -> str:
    """Return one of the nouns of an emoji; the CLDR name half of the time."""
    nouns = synonyms(emoji)
    return nouns[0] if rng.random() < 0.5 else nouns[int(rng.integers(len(nouns)))]


def counted(word: str, count: int = 1, the: bool = False) -> str:
    """Return a noun with its article or number: "an owl", "two dogs", "fries", "the bridge"."""
    if count > 1:
        return f"{NUMBERS.get(count, 'many')} {plural(word)}"
    head = re.split(r" (?:with|of|in|on|over|holding|showing|without) ", word)[0]
    last = head.split()[-1].lower()
    if the:
        return f"the {word}"
    if last in MASS or (last.endswith("s") and not last.endswith(("ss", "us", "is", "gas", "ros"))):
        return word
    return f"{'an' if VOWEL_SOUND.match(word) else 'a'} {word}"


def plural(word: str) -> str:
    """Return the plural of an English noun phrase by the common rules."""
    head, _, tail = word.partition(" with ") if " with " in word else word.partition(" of ")
    joint = word[len(head) : len(word) - len(tail)] if tail else ""
    words = head.split()
    if words[0] in ("person", "man", "woman") and len(words) > 1:
        return " ".join([_plural_word(words[0]), *words[1:]]) + joint + tail
    return " ".join([*words[:-1], _plural_word(words[-1])]) + joint + tail


def _plural_word(word: str) -> str:
    """Return the plural of one English word."""
    if word in IRREGULAR:
        return IRREGULAR[word]
    if word in MASS or (word.endswith("s") and not word.endswith(("ss", "us"))):
        return word
    if re.search(r"(ss|us|x|ch|sh|z)$", word):
        return word + "es"
    return word[:-1] + "ies" if re.search(r"[^aeiou]y$", word) else word + "s"


def listing(parts: list[str]) -> str:
    """Return "a", "a and b" or "a, b and c"."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def subjects(emojis: tuple[str, ...], rng: np.random.Generator, the: bool = False) -> str:
    """Return the things of a picture in words, equal ones counted: "a bridge and two dogs"."""
    counts = Counter(emojis)
    return listing([counted(noun(e, rng), n, the) for e, n in counts.items()])


def phrase(rng: np.random.Generator, scene: Scene) -> str:
    """Return an English description of a scene, in one of many patterns.

    It may leave out the setting, the light or the lesser subjects, but says nothing untrue.
    """
    main, rest = scene.subjects[0], scene.subjects[1:]
    if rest and scene.subjects.count(main) == 1 and rng.random() < 0.55:
        pattern = _pick(rng, patterns("companions"))
    elif rng.random() < 0.6:
        pattern = _pick(rng, patterns("all"))
    else:
        pattern = _pick(rng, patterns("main"))
    setting = _pick(rng, table("settings")[scene.setting]["words"].split("|"))
    light = table("lights").get(scene.light)
    fields = {
        "all": subjects(scene.subjects, rng),
        "main": counted(noun(main, rng), scene.subjects.count(main)),
        "the_main": counted(noun(main, rng), scene.subjects.count(main), the=True),
        "bare": noun(main, rng),
        "others": subjects(rest, rng) if rest else "",
        "where": setting,
        "when": _pick(rng, light["words"].split("|")) if light else setting,
        "tags": " ".join(
            "#" + noun(e, rng).replace(" ", "") for e in dict.fromkeys(scene.subjects)
        ),
    }
    text = pattern.format(**fields)
    return text[0].upper() + text[1:] if rng.random() < 0.4 else text


@cache
def patterns(kind: str, lang: str = "en", file: str = "phrases") -> tuple[str, ...]:
    """Return the patterns of one kind and language from data/<file>.csv; KeyError if none."""
    text = (files("lib.sample") / "data" / f"{file}.csv").read_text("utf-8")
    rows = csv.DictReader(text.splitlines())
    found = tuple(row["text"] for row in rows if (row["kind"], row["lang"]) == (kind, lang))
    if not found:
        raise KeyError(f"data/{file}.csv has no {lang} pattern of kind {kind!r}")
    return found


def _pick(rng: np.random.Generator, items: tuple[str, ...] | list[str]) -> str:
    """Return one of the items."""
    return items[int(rng.integers(len(items)))]
