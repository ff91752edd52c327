"""Parameters of steps, extractors and tasks: read back from the object, written as JSON, parsed from text."""

from __future__ import annotations

import difflib
import functools
import inspect
import json
import pickle
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def parameters(obj: Any) -> dict[str, Any]:
    """Read the constructor's keywords back from an object that stores them under their own names."""
    return {name: getattr(obj, name) for name in parameter_names(type(obj))}


def parameter_names(cls: type) -> list[str]:
    """List the keywords of a constructor."""
    return list(inspect.signature(cls).parameters)


def construct(cls: type, name: str, params: Mapping[str, Any]) -> Any:
    """Call the constructor; an unknown keyword is answered with the known ones."""
    known = parameter_names(cls)
    for key in params:
        if key not in known:
            raise ValueError(
                f"{key}: {name} has no such parameter{nearest(key, known)}; it has {', '.join(known) or 'none'}"
            )
    return cls(**params)


def nearest(word: str, known: Iterable[str]) -> str:
    """Suggest the known word that was probably meant."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


def plain(value: Any) -> Any:
    """Turn a parameter into what JSON can hold."""
    if hasattr(value, "signature"):
        return value.signature()
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    return value


def tuples(value: Any) -> Any:
    """Turn the lists of JSON back into the tuples of a frozen object."""
    return tuple(tuples(item) for item in value) if isinstance(value, list) else value


def difference(path: str, old: Any, new: Any) -> tuple[str, str, str]:
    """Walk down two values of JSON to the first that differs: where it stands, and both.

    >>> difference("steps", [{"size": 64}], [{"size": 48}])
    ('steps[0].size', '64', '48')
    """
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted({*old, *new}):
            if old.get(key) != new.get(key):
                return difference(f"{path}.{key}", old.get(key), new.get(key))
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (a, b) in enumerate(zip(old, new, strict=True)):
            if a != b:
                return difference(f"{path}[{number}]", a, b)
    return path, json.dumps(old), json.dumps(new)


class Recipe:
    """An object that is pickled as its class and parameters, and rebuilt at most once in a process."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), pickle.dumps(parameters(self)))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in parameters(self).items())})"


@functools.lru_cache(maxsize=16)
def _rebuild(cls: type, pickled: bytes) -> Any:
    return cls(**pickle.loads(pickled))


def parse_value(text: str) -> Any:
    """Read a number, true, false, none, a list in brackets, or a word.

    >>> parse_value("0.5"), parse_value("none"), parse_value("[g,r]")
    (0.5, None, ('g', 'r'))
    """
    text = text.strip()
    if text.startswith("[") and text.endswith("]"):
        return tuple(parse_value(item) for item in _split(text[1:-1]))
    if text.lower() in ("none", "true", "false"):
        return {"none": None, "true": True, "false": False}[text.lower()]
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def parse_settings(settings: Iterable[str]) -> dict[str, Any]:
    """Read ``key=value`` pairs."""
    parsed = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f"{setting}: expected key=value")
        parsed[key.strip().replace("-", "_")] = parse_value(value)
    return parsed


def parse_call(text: str) -> tuple[str, dict[str, Any]]:
    """Read ``name:key=value,key=value``.

    >>> parse_call("asinh:softening=0.1")
    ('asinh', {'softening': 0.1})
    """
    name, _, settings = text.partition(":")
    return name.strip(), parse_settings(_split(settings))


def _split(text: str) -> list[str]:
    """Split at the commas that stand outside brackets."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    return [part for part in parts if part.strip()]


def parameter_docs(cls: type) -> dict[str, str]:
    """Read what the docstring's section Parameters, or that of a base class, says of each parameter."""
    docs: dict[str, str] = {}
    for each in reversed(cls.__mro__):
        docs |= _section_parameters(each.__doc__ or "")
    return docs


def _section_parameters(docstring: str) -> dict[str, str]:
    docs: dict[str, list[str]] = {}
    section = ""
    names: list[str] = []
    lines = inspect.cleandoc(docstring).splitlines()
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if below and set(below) == {"-"}:
            section, names = line, []
        elif section == "Parameters" and (match := re.match(r"(\w+(?:, \w+)*) :", line)):
            names = match[1].split(", ")
            docs |= {name: [] for name in names}
        elif section == "Parameters" and line.startswith(" "):
            for name in names:
                docs[name].append(line.strip())
    return {name: " ".join(words).replace("``", "").replace("`", "") for name, words in docs.items()}


def summary(cls: type) -> str:
    """Give the first line of a docstring."""
    return inspect.cleandoc(cls.__doc__ or "").partition("\n")[0]
