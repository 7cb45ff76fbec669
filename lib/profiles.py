"""Profiles: `profiles/<name>.yaml` holds only what differs, and is laid over `params.yaml`.

    python -m lib.profiles paper     and back:  python -m lib.profiles sample

Comments stay. The sample's own text is kept in `profiles/.base.yaml` (git-ignored) meanwhile.
"""

from __future__ import annotations

import argparse
import difflib
import io
import os
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from lib.paths import ROOT

BASE = "sample"  # the profile that params.yaml holds in git


class ProfileError(ValueError):
    """A profile cannot be laid over the settings; one line says which key or file."""


def switch(name: str, root: Path = ROOT) -> str:
    """Make `params.yaml` hold the profile `name`; return a line that says what was done.

    Refuses, in one line, an unknown profile or key, and to lose settings typed into an overlay.
    """
    target, kept = root / "params.yaml", root / "profiles" / ".base.yaml"
    text = target.read_text(encoding="utf-8")
    current = _parse(text, "params.yaml").get("profile")
    base = text
    if current != BASE:
        if not kept.is_file():
            raise ProfileError(
                f"profiles/.base.yaml is missing; `git checkout params.yaml` goes back to {BASE}"
            )
        base = kept.read_text(encoding="utf-8")
        if overlaid(base, current, root) != text:
            raise ProfileError(
                f"params.yaml was changed by hand; put the changes in profiles/{current}.yaml first"
            )
    new = base if name == BASE else overlaid(base, name, root)
    if current == BASE:
        _write(kept, base)
    _write(target, new)
    return f"params.yaml now holds the profile {name}"


def overlaid(base: str, name: str, root: Path = ROOT) -> str:
    """Return the text of the settings `base` with `profiles/<name>.yaml` laid over it."""
    path = root / "profiles" / f"{name}.yaml"
    if not path.is_file():
        known = sorted(p.stem for p in path.parent.glob("*.yaml") if not p.name.startswith("."))
        raise ProfileError(f"no profile {name}; known: {', '.join([BASE, *known])}")
    where = f"profiles/{name}.yaml"
    changes = _parse(path.read_text(encoding="utf-8"), where)
    if changes.get("profile") != name:
        raise ProfileError(f"{where}: profile: must be {name}, got {changes.get('profile')!r}")
    settings = _parse(base, "params.yaml")
    _overlay(settings, changes, where, "")
    stream = io.StringIO()
    _yaml().dump(settings, stream)
    return stream.getvalue()


def _overlay(settings: dict, changes: dict, where: str, above: str) -> None:
    """Replace, in place, the values that `changes` names; a key that is not there is refused."""
    for key, value in changes.items():
        name = f"{above}{key}"
        if key not in settings:
            close = difflib.get_close_matches(str(key), [str(known) for known in settings], n=1)
            hint = f"; did you mean {above}{close[0]}?" if close else ""
            raise ProfileError(f"{where}: {name}: not in params.yaml{hint}")
        if isinstance(settings[key], dict) != isinstance(value, dict):
            raise ProfileError(f"{where}: {name}: a section and a value cannot replace each other")
        if isinstance(value, dict):
            _overlay(settings[key], value, where, f"{name}.")
        else:
            settings[key] = value


def _yaml() -> YAML:
    """Return a reader and writer that keeps comments, quotes and layout."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.width = 4096  # never break a line
    return yaml


def _parse(text: str, where: str) -> Any:
    """Return a YAML text as a mapping that remembers its comments."""
    try:
        values = _yaml().load(text)
    except YAMLError as error:
        raise ProfileError(f"{where}: not valid YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ProfileError(f"{where}: holds no settings")
    return values


def _write(path: Path, text: str) -> None:
    """Replace a file in one step."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def main() -> None:
    """Switch to the profile named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", help="sample, paper or another of profiles/")
    try:
        print(switch(parser.parse_args().name))
    except ProfileError as error:
        sys.exit(f"profile: {error}")


if __name__ == "__main__":
    main()
