"""Typed settings: a section of a YAML file becomes a frozen dataclass, or one clear line.

`params.yaml` is what DVC sees; `profiles/smoke.yaml` is what a notebook uses by default. A module
that has settings defines its dataclass beside its code; tests/test_params.py lists them all, since
a list here would be code that every stage uses.
"""

from __future__ import annotations

import dataclasses
import difflib
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

import yaml

from lib import paths

Settings = TypeVar("Settings")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's: ten times as fast


class ParamsError(ValueError):
    """A setting is unknown, missing, of the wrong type or out of range; one line says which."""


def load(config: str | Path, section: str, cls: type[Settings]) -> Settings:
    """Return the dataclass `cls` filled from section `section` ("a.b" = nested) of file `config`.

    Raises ParamsError, one line with file and key, for an unknown key, a missing key without a
    default, a wrong type, or a value that `cls.validate` refuses (ValueError("key: why")).
    """
    values = read(config)
    where = paths.relative(config)
    for depth, key in enumerate(parts := section.split(".")):
        if not isinstance(values, dict) or key not in values:
            known = values if isinstance(values, dict) else {}
            name = ".".join(parts[: depth + 1])
            raise ParamsError(f"{where}: section {name} is missing{_nearest(key, known)}")
        values = values[key]
    return _fill(cls, values, where, section)


def read(config: str | Path) -> dict[str, Any]:
    """Return the whole of a YAML file as plain dictionaries; ParamsError names a broken one."""
    path = paths.resolve(config)
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), LOADER)
    except FileNotFoundError:
        raise ParamsError(f"{paths.relative(config)}: no such file") from None
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise ParamsError(f"{paths.relative(config)}: not valid YAML: {reason}") from None
    if not isinstance(values, dict):
        raise ParamsError(f"{paths.relative(config)}: holds no settings")
    return values


def profile(config: str | Path) -> str:
    """Return the name of the profile that `config` describes: sample, paper or smoke."""
    name = read(config).get("profile")
    if not isinstance(name, str) or not name:
        raise ParamsError(f"{paths.relative(config)}: profile: a name is needed, got {name!r}")
    return name


def _fill(cls: type[Settings], values: Any, where: str, section: str) -> Settings:
    """Build `cls` from a mapping, checking each key and value, then the whole by `validate`."""
    if not isinstance(values, dict):
        raise ParamsError(f"{where}: {section}: expected a section, got {values!r}")
    hints = typing.get_type_hints(cls)
    fields = {field.name: field for field in dataclasses.fields(cls)}
    for key in values:
        if key not in fields:
            raise ParamsError(f"{where}: {section}.{key}: unknown key{_nearest(key, fields)}")
    for name, field in fields.items():
        no_default = field.default is field.default_factory is dataclasses.MISSING
        if no_default and name not in values:
            raise ParamsError(f"{where}: {section}.{name}: missing")
    filled = {
        key: _convert(value, hints[key], where, f"{section}.{key}") for key, value in values.items()
    }
    settings = cls(**filled)
    if hasattr(settings, "validate"):
        try:
            settings.validate()
        except ValueError as error:
            raise ParamsError(f"{where}: {section}.{error}") from None
    return settings


def _convert(value: Any, hint: Any, where: str, key: str) -> Any:
    """Return `value` as the annotation `hint` asks for; an int serves as float, a list as tuple."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return _fill(hint, value, where, key)
    if origin is typing.Literal:
        if value in arguments:
            return value
    elif origin in (typing.Union, types.UnionType):
        return _convert_union(value, hint, arguments, where, key)
    elif origin in (list, tuple) and isinstance(value, list):
        return _convert_list(value, origin, arguments, where, key)
    elif origin is dict and isinstance(value, dict):
        return {
            _convert(k, arguments[0], where, f"{key} (name)"): _convert(
                v, arguments[1], where, f"{key}.{k}"
            )
            for k, v in value.items()
        }
    elif hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    elif type(value) is hint:  # not isinstance: a bool is no int here
        return value
    raise ParamsError(
        f"{where}: {key}: expected {_name(hint)}, got {value!r}{_advice(value, hint)}"
    )


def _convert_union(value: Any, hint: Any, arguments: tuple, where: str, key: str) -> Any:
    """Return `value` converted by the first alternative of a union that accepts it."""
    if value is None and type(None) in arguments:
        return None
    for option in arguments:
        if option is type(None):
            continue
        try:
            return _convert(value, option, where, key)
        except ParamsError:
            continue
    raise ParamsError(
        f"{where}: {key}: expected {_name(hint)}, got {value!r}{_advice(value, hint)}"
    )


def _convert_list(value: list, origin: type, arguments: tuple, where: str, key: str) -> Any:
    """Return the items of a YAML list converted one by one, as the list or tuple asked for."""
    fixed = origin is tuple and arguments and arguments[-1] is not Ellipsis
    if fixed and len(value) != len(arguments):
        raise ParamsError(f"{where}: {key}: expected {len(arguments)} items, got {len(value)}")
    items = arguments if fixed else (arguments[:1] or (Any,)) * len(value)
    converted = [
        _convert(item, item_hint, where, f"{key}[{number}]")
        for number, (item, item_hint) in enumerate(zip(value, items, strict=True))
    ]
    return origin(converted)


def _name(hint: Any) -> str:
    """Return a type annotation as a reader would write it."""
    if typing.get_origin(hint) is typing.Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    return hint.__name__ if isinstance(hint, type) and not typing.get_args(hint) else str(hint)


def _advice(value: Any, hint: Any) -> str:
    """Return a hint for YAML 1.1's trap: 1e-4 without a dot is text, 1.0e-4 is a number."""
    if hint is not float or not isinstance(value, str):
        return ""
    try:
        float(value)
    except ValueError:
        return ""
    return " (in YAML write 1.0e-4, not 1e-4)"


def _nearest(key: str, known: typing.Iterable[str]) -> str:
    """Return "; did you mean …?" where a known key is close to the one given."""
    close = difflib.get_close_matches(str(key), [str(name) for name in known], n=1)
    return f"; did you mean {close[0]}?" if close else ""
