"""Definitions of flags in flagd's form, as a file or flagd gives them: all of them right, or none is taken."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from meshwright.agent.flags.catalogue import BY_KEY, PREFIX
from meshwright.agent.flags.fractions import variant_name, wrong_fractions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

MAX_BYTES = 1 << 20
MAX_DEPTH = 200
DEFINING = ("state", "variants", "defaultVariant", "targeting", "metadata")
"""What a flag is made of in flagd's form."""


class BadFlagsError(Exception):
    """Definitions that cannot be used. The message says what is wrong with them, and where."""


class Definitions(NamedTuple):
    """Definitions that can be used."""

    text: str
    """In JSON."""
    keys: tuple[str, ...]
    """The keys of those flags that are ours."""


def read(path: Path) -> Definitions:
    """Those of a file. BadFlagsError, also where it cannot be read."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise BadFlagsError(error.strerror or "it cannot be read") from error
    if len(text) > MAX_BYTES:
        raise BadFlagsError(f"it is larger than {MAX_BYTES:,} bytes")
    return _checked(_yaml if path.suffix in (".yaml", ".yml") else _json, text)


def of_flagd(text: str) -> Definitions:
    """Those that a flagd sends. BadFlagsError.

    Beside the flag's definition it sends what it knows of the flag itself, from version to version something else: its key, its source.
    """
    return _checked(lambda sent: _defined(_json(sent)), text)


def _defined(document: Any) -> Any:
    """The document without what is no definition."""
    flags = document.get("flags") if isinstance(document, dict) else None
    if not isinstance(flags, dict):
        return document
    defined = {
        key: {name: flag[name] for name in DEFINING if name in flag} if isinstance(flag, dict) else flag
        for key, flag in flags.items()
    }
    return {**document, "flags": defined}


def _json(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise BadFlagsError(f"it is no JSON: {error}") from error


def _yaml(text: str | bytes) -> Any:
    import yaml

    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise BadFlagsError(f"it is no YAML: {' '.join(str(error).split())}") from error


def _checked(decode: Callable[[str | bytes], Any], text: str | bytes) -> Definitions:
    try:
        document = decode(text)
        if _nested_deeper(document, MAX_DEPTH):
            raise RecursionError
        return _definitions(document)
    except RecursionError as error:
        raise BadFlagsError("it is nested too deeply") from error


def _nested_deeper(document: Any, levels: int) -> bool:
    """Whether it goes deeper than so many levels, where an evaluation, on top of whatever else runs, would come to an end of its stack."""
    layer = [document]
    for _ in range(levels):
        # Each once: YAML's aliases may have one thing in many places, and in itself.
        inside = {
            id(inner): inner
            for it in layer
            for inner in (it.values() if isinstance(it, dict) else it if isinstance(it, list) else ())
        }
        layer = list(inside.values())
        if not layer:
            return False
    return True


def _definitions(document: Any) -> Definitions:
    """A document whose flags are all of flagd's form, and ours of the catalogue's types and bounds. BadFlagsError names what is not."""
    try:
        text = json.dumps(document)
        # YAML has keys that are no strings: `on` and `off`, names as good as any for variants, are booleans there.
        document = json.loads(text)
    except (TypeError, ValueError) as error:
        raise BadFlagsError(f"it has a value that JSON has not: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("flags"), dict):
        raise BadFlagsError("it has no object `flags`")
    flags: dict[str, Any] = document["flags"]
    if wrong := [f"{key}: {problem}" for key, flag in flags.items() for problem in _problems(key, flag)]:
        raise BadFlagsError("; ".join(wrong))
    _try(text)
    return Definitions(text, tuple(key for key in flags if key in BY_KEY))


def _problems(key: str, flag: Any) -> Iterator[str]:
    """What is wrong with one flag. Of others' flags the evaluator judges alone."""
    if not key.startswith(PREFIX):
        return
    if key not in BY_KEY:
        yield f"there is no such flag; there are {', '.join(BY_KEY)}"
        return
    variants = flag.get("variants") if isinstance(flag, dict) else None
    if not isinstance(variants, dict) or not variants:
        yield "it has no variants"
        return
    for name, value in variants.items():
        if problem := BY_KEY[key].problem(value):
            yield f"variant {name}: {problem}"
    default = flag.get("defaultVariant")
    if default not in (None, "") and variant_name(default) not in variants:
        yield f"defaultVariant {default} is not among its variants"
    yield from wrong_fractions(flag.get("targeting"), variants)


def _try(text: str) -> None:
    """Have flagd's own evaluator read it."""
    from openfeature.contrib.tools.flagd.core import FlagdCore
    from openfeature.exception import OpenFeatureError

    try:
        FlagdCore().set_flags(text)
    except OpenFeatureError as error:
        raise BadFlagsError(error.error_message or "a flag is not of flagd's form") from error
    except (ValueError, TypeError, AttributeError, re.error) as error:
        raise BadFlagsError("a flag is not of flagd's form") from error
