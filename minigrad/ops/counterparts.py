"""NumPy's functions on tensors: `stands_for`, beside an operation, names the function that the operation stands for.

NumPy's signature is bound first, with NumPy's own order and defaults; then its arguments go to those of the operation:

- to the one of the same name, or to that which ``stands_for(…, a_min="low")`` names;
- by position, where the operation needs an argument that has no namesake (NumPy's ``a`` is our ``x``);
- ``dtype`` converts the tensors before the operation sees them;
- anything else must be left at NumPy's default, or is refused with a remedy.

Where more than names differ, ``by=`` is a function with NumPy's own signature, as far as it is supported.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from itertools import chain
from typing import Any, TypeVar

import numpy as np

from minigrad.engine.primitive import Primitive
from minigrad.engine.tensor import Tensor

__all__ = ["CALLS", "FUNCTIONS", "REMEDIES", "Counterpart", "called", "counterpart_of", "settle", "stands_for", "title"]

CALLS: dict[np.ufunc, Primitive] = {}
"""Ufuncs that a primitive of as many inputs stands behind: a call without settings is recorded at once, for
``np.exp(x)`` shall cost little more than ``ops.exp(x)``."""

FUNCTIONS: dict[Any, Counterpart] = {}
"""NumPy's functions, ufuncs and methods of ufuncs -> what stands for them."""

LATER: dict[str, Callable[..., Any]] = {}
"""SciPy's functions by their dotted names, until they are asked for: that would import SciPy -> the operation."""

F = TypeVar("F", bound=Callable[..., Any])

Parameter = inspect.Parameter
POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
NO_VALUE = np._NoValue

UFUNC: dict[str, Any] = {
    "out": None, "where": True, "casting": "same_kind", "order": "K", "dtype": None, "subok": True, "signature": None,
}  # fmt: skip
"""The settings of every ufunc, with their defaults."""

OWN = {"out", "dtype", "where", "order", "initial", "mode"}
"""Arguments that are never meant by position."""

SIGNATURES: dict[Any, Callable[..., Any]] = {
    np.concatenate: lambda arrays, axis=0, out=None, *, dtype=None, casting="same_kind": 0,
    np.dot: lambda a, b, out=None: 0,
    np.inner: lambda a, b: 0,
    np.vdot: lambda a, b: 0,
    np.where: lambda condition, x=None, y=None: 0,
    "reduce": lambda array, axis=0, dtype=None, out=None, keepdims=False, initial=NO_VALUE, where=True: 0,
    "accumulate": lambda array, axis=0, dtype=None, out=None: 0,
    "outer": lambda A, B, out=None, where=True, casting="same_kind", order="K", dtype=None, subok=True: 0,
}
"""Signatures of functions written in C, which not every version of NumPy shows; methods of ufuncs by their name."""

REMEDIES = {
    "out": (
        "would write a tensor into an array, and its gradient would be lost; write `a = a + t` instead of `a += t`, "
        "leave out `out=`, or use `.data` if the values alone are meant"
    ),
    "in place": (
        "would write a tensor into an array, and its gradient would be lost; build a new one of the pieces with "
        "np.where, np.concatenate or np.stack, or use `.data` if the values alone are meant"
    ),
    "where": "takes no `where=` on tensors; choose with `np.where(condition, x, 0)` first, or index with the condition",
    "initial": "takes no `initial=` on tensors; combine the result with it, as by `+` or `np.maximum`",
    "order": "takes no `order=` on tensors, whose values are in C order; transpose before and after",
    "mode": "takes no such `mode=` on tensors; compute the indices, and index with them",
}


def stands_for(*functions: Any, by: Callable[..., Any] | None = None, **renamed: str) -> Callable[[F], F]:
    """Let NumPy's functions on tensors be what is decorated.

    Parameters
    ----------
    *functions : callable
        Functions, ufuncs or methods of ufuncs (``np.add.reduce``), as objects. None is left out: a function that an
        older NumPy does not have. Those of SciPy as text: ``"scipy.special.erf"``.
    by : callable, optional
        A function with NumPy's signature that calls the operation; by default the operation itself.
    **renamed : str
        NumPy's name of an argument -> that of the operation.

    Raises
    ------
    ValueError
        If something stands for one of them already.

    Examples
    --------
    >>> from minigrad import ops
    >>> FUNCTIONS[np.clip]
    <minigrad.ops.clip stands for np.clip>
    >>> np.clip(ops.exp([0.0, 1.0]), a_max=2.0, a_min=None)
    Tensor([1., 2.], dtype=float64)
    """

    def declare(operation: F) -> F:
        for function in functions:
            if function is None:
                continue
            if isinstance(function, str):
                LATER[function] = operation
                continue
            if function in FUNCTIONS:
                raise ValueError(f"{FUNCTIONS[function]} already")
            FUNCTIONS[function] = Counterpart(function, by or operation, operation.__name__, renamed)
            primitive: Primitive | None = getattr(operation, "primitive", None)
            if isinstance(function, np.ufunc) and by is None and primitive and len(primitive.inputs) == function.nin:
                CALLS[function] = primitive
        return operation

    return declare


def counterpart_of(function: Any) -> Counterpart | None:
    """The counterpart of a function."""
    if function not in FUNCTIONS:
        settle()
    return FUNCTIONS.get(function)


def settle() -> None:
    """Take SciPy's functions in as soon as somebody has imported them: before, nobody can have called one."""
    for name in list(LATER):
        module, _, short = name.rpartition(".")
        if module in sys.modules:
            stands_for(getattr(sys.modules[module], short))(LATER.pop(name))


class Counterpart:
    """An operation that stands for one of NumPy's functions, and where the arguments of the function go.

    Parameters
    ----------
    function : callable
        NumPy's.
    call : callable
        What is called in its place.
    name : str
        The operation's name, for messages.
    renamed : dict
        NumPy's name of an argument -> that of the operation.
    """

    def __init__(self, function: Any, call: Callable[..., Any], name: str, renamed: dict[str, str]):
        self.function, self.call, self.name, self.renamed = function, call, name, renamed
        self.bound = False  # signatures are read when they are needed first: that takes a while

    def __repr__(self) -> str:
        return f"<minigrad.ops.{self.name} stands for {called(self.function)}>"

    def bind(self) -> None:
        """Find out where each of NumPy's arguments goes."""
        theirs, ours = parameters(self.function), parameters(self.call)
        ours = {name: p for name, p in ours.items() if name not in ("vjp", "save")}
        self.spread = any(p.kind is Parameter.VAR_POSITIONAL for p in theirs.values())
        self.positional = [name for name, p in theirs.items() if p.kind in POSITIONAL]
        mapped = {name: self.renamed.get(name, name) for name in theirs}
        free = set(ours) - set(mapped.values())
        for name, (target, p) in zip(self.positional, ours.items(), strict=False):
            if target in free and name not in OWN and p.kind in POSITIONAL and p.default is Parameter.empty:
                mapped[name] = target
        self.targets = {name: target for name, target in mapped.items() if target in ours}
        self.targets |= {name: target for name, target in self.renamed.items() if name not in theirs}
        needed = {name for name, p in ours.items() if p.default is Parameter.empty and p.kind in POSITIONAL}
        if missing := needed - set(self.targets.values()):
            raise TypeError(f"{self}: nothing of NumPy's goes to {', '.join(sorted(missing))}")
        defaults = {name: p.default for name, p in theirs.items() if p.default is not Parameter.empty}
        self.given = {
            self.targets[name]: value
            for name, value in defaults.items()
            if name in self.targets
            and value is not NO_VALUE
            and not is_default(value, ours[self.targets[name]].default)  # which saves passing it
        }
        self.defaults = {name: value for name, value in defaults.items() if name not in self.targets}
        self.bound = True

    def __call__(self, args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """Call it with NumPy's arguments."""
        if not self.bound:
            self.bind()
        targets, found, dtype = self.targets, {}, None
        named = () if self.spread else zip(self.positional, args, strict=False)
        for name, value in chain(named, settings.items()) if settings else named:
            if name in targets:
                if value is NO_VALUE:
                    continue
                target = targets[name]
                if target in found:
                    raise TypeError(f"{called(self.function)}: the argument {name} was given twice, by two names")
                found[target] = value
            elif name == "dtype":
                dtype = value
            elif value is not NO_VALUE and not is_default(value, self.defaults.get(name)):
                raise TypeError(unsupported(self.function, name, self.name))
        if self.given:
            found = self.given | found
        rest = args if self.spread else ()
        if dtype is not None:
            dtype = np.dtype(dtype)
            rest = converted(rest, dtype)
            found = {name: converted(value, dtype) for name, value in found.items()}
        return self.call(*rest, **found)


def title(function: Any) -> str:
    """The name of a NumPy function with what it stands in: ``linalg.norm``, ``add.reduce``."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, np.ufunc):
        return f"{owner.__name__}.{function.__name__}"
    module = (getattr(function, "__module__", None) or "numpy").partition("numpy")[2].strip(".")
    return ".".join(part for part in (module, function.__name__) if part)


def called(function: Any) -> str:
    """The name by which a program calls it: ``np.linalg.norm``, ``scipy.special.j0``.

    A ufunc of someone else's has its bare name.
    """
    owner = getattr(function, "__self__", None)
    ufunc = owner if isinstance(owner, np.ufunc) else function
    if not isinstance(ufunc, np.ufunc) or getattr(np, ufunc.__name__, None) is ufunc:
        return f"np.{title(function)}"
    found = getattr(sys.modules.get("scipy.special"), ufunc.__name__, None) is ufunc
    return f"scipy.special.{title(function)}" if found else title(function)


def parameters(function: Any) -> dict[str, inspect.Parameter]:
    """The parameters of a function, by name."""
    if isinstance(function, np.ufunc):
        inputs = [Parameter(f"x{k}", Parameter.POSITIONAL_ONLY) for k in range(function.nin)]
        settings = [Parameter(name, Parameter.KEYWORD_ONLY, default=value) for name, value in UFUNC.items()]
        return {p.name: p for p in inputs + settings}
    written = SIGNATURES.get(function)
    if written is None and isinstance(getattr(function, "__self__", None), np.ufunc):
        written = SIGNATURES[function.__name__]
    return dict(inspect.signature(written or function).parameters)


def is_default(value: Any, default: Any) -> bool:
    """True if an argument says what NumPy does without it."""
    same = isinstance(value, (str, int)) and type(value) is type(default)
    return value is default or (same and value == default)


def converted(value: Any, dtype: np.dtype[Any]) -> Any:
    """Tensors and floating arrays, also those in a list, in another dtype."""
    if isinstance(value, Tensor) or (isinstance(value, np.ndarray) and value.dtype.kind == "f"):
        if isinstance(value, Tensor) and dtype.kind != "f" and value.dtype != dtype:
            raise ValueError(f"dtype={dtype} has no derivative; write `.astype({dtype})` first for a constant")
        return value if value.dtype == dtype else value.astype(dtype)
    if isinstance(value, (list, tuple)):
        return type(value)([converted(each, dtype) for each in value])
    return value


def unsupported(function: Any, argument: str, operation: str) -> str:
    """The message for an argument that no operation takes."""
    name = called(function)
    if argument in REMEDIES:
        return f"{name} {REMEDIES[argument]}"
    there = "" if operation.startswith("_") else f" (minigrad.ops.{operation} says what there is)"
    return (
        f"{name} takes no `{argument}=` on tensors; leave it out{there}, or use {name} of `.data` if the values "
        "alone are meant"
    )
