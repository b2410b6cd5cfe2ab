"""A model as an indented tree with the numbers of its parameters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

__all__ = ["tree"]


class Branch(Protocol):
    """What a tree is drawn of: a `minigrad.nn.Module`."""

    def named_children(self) -> Iterable[tuple[str, Branch]]: ...

    def parameters(self) -> Iterable[Any]: ...

    def repr_arguments(self) -> str: ...


def tree(module: Branch) -> str:
    """The text that ``repr`` of a module shows.

    Parameters in several places are counted once in each total.

    Examples
    --------
    >>> from minigrad import nn
    >>> nn.Sequential(nn.Linear(64, 32, rng=0), nn.ReLU(), nn.Linear(32, 10, rng=0))
    Sequential             2,410 parameters
      0: Linear(64, 32)    2,080
      1: ReLU()
      2: Linear(32, 10)      330
    """
    lines: list[tuple[str, int]] = []
    first: dict[int, str] = {}
    todo: list[tuple[int, str, str, Branch]] = [(0, "", "", module)]
    while todo:
        depth, name, path, current = todo.pop()
        label = "  " * depth + (f"{name}: " if name else "") + heading(current)
        if id(current) in first:
            lines.append((f"{label} (shared with {first[id(current)] or 'the root'})", 0))
            continue
        first[id(current)] = path
        lines.append((label, sum(tensor.size for tensor in current.parameters())))
        children = [(depth + 1, n, f"{path}.{n}" if path else n, child) for n, child in current.named_children()]
        todo.extend(reversed(children))
    width = max(len(label) for label, _ in lines)
    total = f"{lines[0][1]:,}"
    shown = [f"{label:<{width}}  {count if count else '':>{len(total)},}" if count else label for label, count in lines]
    if lines[0][1]:
        shown[0] += " parameters"
    return "\n".join(line.rstrip() for line in shown)


def heading(module: Branch) -> str:
    """The class of a module with its arguments; containers without any have no brackets."""
    arguments = module.repr_arguments()
    brackets = f"({arguments})" if arguments or not any(module.named_children()) else ""
    return f"{type(module).__name__}{brackets}"
