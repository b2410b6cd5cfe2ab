"""The names of models, and how they are built for a data set."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from minigrad.counts import whole
from minigrad.naming import unknown
from minigrad.nn.module import Module
from minigrad.registry import Registry
from minigrad.typing import Seed, Shape

__all__ = ["MODELS", "build", "builder", "canonical", "describe", "names", "register"]

Builder: TypeAlias = Callable[..., Module]

MODELS: Registry[Builder] = Registry("model", "minigrad.models", "models.register")
"""All of them."""


def register(name: str, line: str | None = None) -> Callable[[Builder], Builder]:
    """Make a function that builds a model known to `build` and to the command line.

    The function takes ``(input_shape, classes, *, rng=None, **options)``: the shape of one sample, the number of
    classes, and options with defaults of its own. It returns a Module that maps a batch of samples, shape
    ``(B, *input_shape)``, to logits, shape ``(B, classes)``.

    Parameters
    ----------
    name : str
        Such as ``"mlp"``.
    line : str
        What it is, in one line.

    Returns
    -------
    callable
        A decorator; it returns the function unchanged.

    Raises
    ------
    TypeError
        If the line is missing or no text, as in ``register("mlp", build_mlp)``.
    ValueError
        If another model has the name.

    Examples
    --------
    >>> import math
    >>> from minigrad import nn
    >>> @nn.models.register("softmax_regression", "one linear layer")
    ... def softmax_regression(input_shape, classes, *, rng=None):
    ...     return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), classes, rng=rng))
    >>> [name for name, _ in nn.models.build("softmax_regression", (8, 8, 1), 10, rng=0).named_parameters()]
    ['1.weight', '1.bias']
    """
    return MODELS.register(name, line)


def names() -> tuple[str, ...]:
    """The names that `build` knows, sorted.

    Examples
    --------
    >>> "mlp" in names()
    True
    """
    return MODELS.names()


def describe() -> dict[str, str]:
    """One line about each model, by name.

    Examples
    --------
    >>> describe()["mlp"]
    'fully connected layers with an activation between'
    """
    return MODELS.describe()


def builder(name: str) -> Builder:
    """The function that was registered under a name.

    Raises
    ------
    ValueError
        If no model has this name; the message gives the nearest.

    Examples
    --------
    >>> builder("BagNet").__name__
    'bagnet'
    """
    return MODELS.find(name)


def canonical(name: str) -> str:
    """The name of a model as `names` spells it.

    Raises
    ------
    ValueError
        If no model has this name.

    Examples
    --------
    >>> canonical(" MLP")
    'mlp'
    """
    return MODELS.canonical(name)


def build(name: str, input_shape: Sequence[int], classes: int, *, rng: Seed = None, **options: Any) -> Module:
    """Build a model by name, for samples of one shape and a number of classes.

    Parameters
    ----------
    name : str
        One of `names`; capitals do not matter.
    input_shape : sequence of int
        The shape of one sample, such as ``(8, 8, 1)``.
    classes : int
    rng : Generator, int or None
        Draws the initial parameters.
    **options
        Those of the model.

    Returns
    -------
    Module
        Maps shape ``(B, *input_shape)`` to ``(B, classes)``.

    Raises
    ------
    ValueError
        If no model has this name; the message gives the nearest.
    TypeError
        If the model has no such option; likewise.

    Examples
    --------
    >>> build("mlp", (8, 8, 1), 10, rng=0, hidden=(32,))
    Sequential             2,410 parameters
      0: Flatten()
      1: Linear(64, 32)    2,080
      2: ReLU()
      3: Linear(32, 10)      330
    >>> build("mpl", (8, 8, 1), 10)
    Traceback (most recent call last):
        ...
    ValueError: unknown model 'mpl'; did you mean 'mlp'? Known: ...mlp...
    """
    make = builder(name)
    parameters = inspect.signature(make).parameters.values()
    known = [p.name for p in list(parameters)[2:] if p.kind is not p.VAR_KEYWORD and p.name != "rng"]
    if not any(p.kind is p.VAR_KEYWORD for p in parameters):
        for option in options:
            if option not in known:
                raise TypeError(unknown(f"option of the model {name!r}:", option, known))
    shape: Shape = tuple([whole("build: a length in input_shape", n) for n in input_shape])
    return make(shape, whole("build: classes", classes), rng=rng, **options)
