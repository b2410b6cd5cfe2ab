"""Differences between two descriptions, by name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

__all__ = ["differences"]

SHOWN = 6
"""The number of differences that a message names."""

_NONE = object()


def differences(old: Any, new: Any) -> list[str]:
    """The differences between two descriptions, one line for each, by name.

    Examples
    --------
    >>> differences({"lr": 0.1, "x": {"shape": [2]}}, {"lr": 0.2, "x": {"shape": [3]}})
    ['lr: the checkpoint has 0.1, this run 0.2', 'x.shape: the checkpoint has [2], this run [3]']
    """
    lines = list(_differences(old, new, ""))
    more = len(lines) - SHOWN
    return lines[:SHOWN] + ([f"and {more} more"] if more > 0 else [])


def _differences(old: Any, new: Any, name: str) -> Iterator[str]:
    if old is not _NONE and new is not _NONE:
        if json.dumps(old) == json.dumps(new):
            return
        inside = list(_inside(old, new, name))
        if inside:
            yield from inside
            return
    last = name.rpartition(".")[2]
    name = name.replace("._", ".")  # a private attribute is set under the other name
    if last in ("content", "code") and isinstance(old, str) and isinstance(new, str):
        before, after = (text.partition(" (")[2].rstrip(")") for text in (old, new))
        how = f"code that {before} compiled, and {after} now" if before != after else f"other {last}"
        yield f"{name.rpartition('.')[0] or name}: {how}"
    else:
        yield f"{name}: the checkpoint has {_short(old)}, this run {_short(new)}"


def _inside(old: Any, new: Any, name: str) -> Iterator[str]:
    """The differences of the parts, where both are of one kind."""
    if isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        if any(isinstance(item, (dict, list)) for item in old):
            for k, (one, other) in enumerate(zip(old, new, strict=True)):
                yield from _differences(one, other, f"{name}[{k}]")
    elif isinstance(old, dict) and isinstance(new, dict):
        if any(old.get(key) != new.get(key) for key in ("class", "function")):
            return
        if [key for key in old if key in new] != [key for key in new if key in old]:
            return  # the same in another order
        for key in [*old, *(key for key in new if key not in old)]:
            full = f"{name}.{key}" if name and key else name or key
            yield from _differences(old.get(key, _NONE), new.get(key, _NONE), full)


def _short(description: Any) -> str:
    """A description in few words."""
    if description is _NONE:
        return "none"
    if isinstance(description, dict):
        if "class" in description and "value" not in description:
            simple = {k: v for k, v in description.items() if k not in ("class", "code") and not isinstance(v, dict)}
            inside = ", ".join(f"{name.lstrip('_')}={value!r}" for name, value in simple.items())
            return f"{description['class'].rpartition('.')[2]}({inside})"
        for kind in ("value", "function", "name", "fingerprint"):
            if kind in description:
                return str(description[kind])
        if "dtype" in description:
            return f"an array of dtype {description['dtype']} and shape {tuple(description['shape'])}"
    text = repr(description)
    return text if len(text) < 100 else text[:96] + " …"
