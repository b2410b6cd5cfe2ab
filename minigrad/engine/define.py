"""Decorators: make a primitive, or an operation on tensors, of a forward function and its VJP rules."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar, cast

from minigrad.engine.estimator import VJP, Save
from minigrad.engine.primitive import Kind, Primitive, Rule, Saved
from minigrad.engine.record import record
from minigrad.engine.several_outputs import handed_out, joined_outputs
from minigrad.engine.tensor import Tensor

__all__ = ["Operation", "define", "operation", "primitive", "primitive_of"]


class Operation(Protocol):
    """A function on tensors that a primitive stands behind."""

    primitive: Primitive
    __name__: str

    def __call__(self, *args: Any, vjp: VJP = None, save: Save = None, **settings: Any) -> Tensor: ...


def define(
    *,
    kind: Kind | None = None,
    tangents: Mapping[str, Rule] | None = None,
    derived: Mapping[str, Callable[[Saved], Any]] | None = None,
    broadcasts: bool = False,
    as_is: bool = False,
    residuals: Sequence[str] = (),
    slope: bool = False,
    quadratic: Sequence[str] = (),
    **rules: Rule,
) -> Callable[[Callable[..., Any]], Primitive]:
    """Make a primitive of a forward function on arrays; the arguments are those of `primitive`.

    The library's operations are functions with a signature of their own that name their primitive and hand it to
    `minigrad.engine.record.record`.

    Examples
    --------
    >>> @define(x=lambda g, saved: 2 * g)
    ... def _double(x):
    ...     return 2 * x, {}
    >>> _double
    <primitive double(x)>
    """

    def decorate(forward: Callable[..., Any]) -> Primitive:
        return Primitive(
            forward, rules, kind=kind, tangents=tangents, derived=derived, broadcasts=broadcasts, as_is=as_is,
            residuals=residuals, slope=slope, quadratic=quadratic,
        )  # fmt: skip

    return decorate


F = TypeVar("F", bound=Callable[..., Tensor])


def operation(of: Primitive) -> Callable[[F], F]:
    """Say which primitive stands behind a function, whose signature stays what it is."""

    def mark(function: F) -> F:
        function.primitive = of  # type: ignore[attr-defined]
        return function

    return mark


def primitive_of(function: Callable[..., Any]) -> Primitive:
    """The primitive behind an operation.

    Raises
    ------
    TypeError
        If the function is no operation.

    Examples
    --------
    >>> from minigrad import ops
    >>> primitive_of(ops.exp)
    <primitive exp(x)>
    """
    found = getattr(function, "primitive", None)
    if not isinstance(found, Primitive):
        raise TypeError(f"{function!r} is no operation: no primitive stands behind it")
    return found


def primitive(
    *,
    kind: Kind | None = None,
    outputs: Sequence[str] = (),
    tangents: Mapping[str, Rule] | None = None,
    derived: Mapping[str, Callable[[Saved], Any]] | None = None,
    broadcasts: bool = False,
    as_is: bool = False,
    residuals: Sequence[str] = (),
    slope: bool = False,
    quadratic: Sequence[str] = (),
    **rules: Rule,
) -> Callable[[Callable[..., Any]], Operation]:
    """Make an operation on tensors of a forward function on arrays and one VJP rule for each input.

    Parameters
    ----------
    kind : str, optional
        One word that gives the derivatives of this operation in forward mode, and those of its VJP rules: "linear",
        "elementwise", "bilinear", "multilinear", "symmetric" or "piecewise_linear"; see
        `minigrad.engine.primitive.Kind`. Moreover: where it is "elementwise", a cotangent of which only some rows were
        kept stays short, and the rules are applied to these rows, and to the same rows of what was saved; where it is
        "bilinear", the rules take cotangents of every structure, and a sketch in place of a saved input (``save=``).
        Otherwise they get arrays.
    tangents : mapping, optional
        By the name of an input ``tangent(t, saved)``: the derivative of the output in the direction ``t`` of that input
        alone, for those of which the word does not say it. Without either there is no forward mode.
    outputs : sequence of str, optional
        The names of several outputs. The function then returns ``((first, second, ...), saved)``, and the operation a
        tuple of tensors; the rules get a tuple of cotangents, zeros for what was not used, and tangents return a tuple.
        What is saved under the name of an output is that output. On the tape they are one node, whose output is all of
        them flattened, which is what an estimator sees, and one for each part.
    derived : mapping, optional
        By the name of what was saved ``f(saved)``, which computes it again from inputs and output, under their names
        and ``"out"``, with functions of `minigrad.ops` or NumPy. Second derivatives need it for floats that are saved
        and are neither an input nor the output.
    broadcasts : bool, default False
        Whether the inputs broadcast against each other; the sweep then sums each cotangent back to the shape
        of its input, and the rules need not care.
    as_is : bool, default False
        Whether the forward pass only moves values, or is a single function of NumPy's on them. Integers among
        themselves then stay integers. Otherwise integer and bool inputs become floats before the function sees them:
        of the dtype of the floating inputs, or float64 where there are none. float16 comes as float32, and the output
        is rounded.
    residuals : sequence of str
        Saved inputs in which the VJP rules are linear, so that ``save=`` may replace them by an unbiased sketch: each
        saved in full under its own name, no two of them in one rule. Rules that are not bilinear get the sketch made
        dense.
    quadratic : sequence of str
        Names of saved values that a rule multiplies by themselves, as that of a normalisation does. ``save=`` draws two
        sketches of each; the rule takes the second factor from ``again(saved, name)`` of `minigrad.engine.twice`.
    slope : bool, default False
        For an element-wise operation of one input, in place of ``residuals``: ``save=`` may replace all that was saved
        by a sketch of the slope, in which the VJP g·slope is linear however curved the function is.
    **rules : callable
        By the name of a differentiable input: ``rule(g, saved)`` returns the cotangent of that input, an
        array of its shape, from the cotangent ``g`` of the output. It must be linear in ``g``. Neither ``g`` nor what
        was saved can be written to: others still read them. An argument without a rule is a setting. For ``*arrays``
        the rule is ``rule(g, saved, k)``, k the position.

    Returns
    -------
    callable
        A decorator. The function it decorates takes arrays, which cannot be written to, and returns exactly
        ``(output, saved)``, where ``saved`` is a dict of all that the rules read, ``{}`` if they read nothing. If it
        has an argument ``needs`` it is told which inputs require a gradient, as a tuple of bool, and may save less.

    Raises
    ------
    TypeError
        If a rule is given for an argument that the function does not have. When called, if the function returns
        anything but ``(output, dict)``, an output that is a list, masked or holds no real numbers, or one without a
        derivative (integers) where one is wanted. In the backward pass, if a rule returns no array, or a masked or
        complex one.
    ValueError
        If the function changes an input in place. In the backward pass, if a rule returns a wrong shape, or changes
        ``g`` or what was saved in place.

    Examples
    --------
    >>> import numpy as np, minigrad as mg
    >>> @mg.primitive(x=lambda g, saved: g * saved["slope"])
    ... def cube(x):
    ...     return x**3, {"slope": 3 * x**2}
    >>> mg.grad(cube)(np.array(2.0)).item()
    12.0
    """

    def decorate(forward: Callable[..., Any]) -> Operation:
        if outputs:
            made = joined_outputs(forward, rules, outputs, tangents, derived, kind=kind, as_is=as_is)
        else:
            made = Primitive(
                forward, rules, kind=kind, tangents=tangents, derived=derived, broadcasts=broadcasts, as_is=as_is,
                residuals=residuals, slope=slope, quadratic=quadratic,
            )  # fmt: skip

        @functools.wraps(forward)
        def apply(*args: Any, vjp: VJP = None, save: Save = None, **settings: Any) -> Any:
            inputs, settings = bind(made, args, settings)
            if outputs:
                return handed_out(made, inputs, settings, vjp)
            return record(made, inputs, settings, vjp, save)

        signature = inspect.signature(forward)
        shown = [p for name, p in signature.parameters.items() if name != "needs"]
        for name in ("vjp", "save") if residuals or slope or quadratic else ("vjp",):
            shown.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None))
        apply.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
        apply.primitive = made  # type: ignore[attr-defined]
        return cast(Operation, apply)

    return decorate


def bind(of: Primitive, args: tuple[Any, ...], settings: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Sort the arguments of a call into inputs and settings."""
    if of.variadic:
        return list(args), settings
    if len(args) > len(of.positional):
        raise TypeError(
            f"{of.name}: takes {len(of.positional)} positional arguments ({', '.join(of.positional)}), got {len(args)}"
        )
    named = dict(zip(of.positional, args, strict=False))
    for name, value in settings.items():
        if name in named:
            raise TypeError(f"{of.name}: argument {name!r} was given twice")
        named[name] = value
    missing = [name for name in of.inputs if name not in named and name not in of.optional]
    if missing:
        raise TypeError(f"{of.name}: argument {missing[0]!r} is missing")
    return [named.pop(name, None) for name in of.inputs], named
