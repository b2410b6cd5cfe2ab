"""Primitives: an operation's forward pass, with its VJP rules beside it.

A primitive is one decorated function on arrays. The decorator takes one VJP rule for each differentiable
input, by the input's name; the function returns its output and a dict of what the rules will read. That
dict is kept on the tape as it is (``node.saved``): visible data, not a closure.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, cast

import numpy as np

from minigrad.arrays import DOUBLE, HALF, SINGLE, plain, prepare, restore
from minigrad.context import CLOCK, current_layer, current_tape
from minigrad.nesting import foreign, is_foreign
from minigrad.node import Node, input_size, output_size
from minigrad.node import check_vjp as check_vjp
from minigrad.residuals import check_save, sketch_residuals
from minigrad.results import forward_output
from minigrad.rowwise import shortened
from minigrad.structure import Cotangent, Rows, Structured, dense
from minigrad.tensor import Tensor
from minigrad.typing import Array

__all__ = ["Operation", "Primitive", "primitive"]

Saved: TypeAlias = dict[str, Any]
Rule: TypeAlias = Callable[..., Cotangent]
"""``rule(g, saved)``: the cotangent of the output and what was saved -> the cotangent of one input."""


class Operation(Protocol):
    """A function on tensors that a primitive stands behind."""

    primitive: Primitive
    __name__: str

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor: ...


class Primitive:
    """One differentiable operation: its forward pass, its VJP rules, and what it costs.

    Made by the `primitive` decorator, and found as the attribute ``primitive`` of the operation.

    Attributes
    ----------
    name : str
        The name of the operation.
    inputs : tuple of str
        The names of the differentiable inputs, in order: the *edges* of a node.
    forward : callable
        ``forward(*arrays, **settings) -> (array, saved)``.
    rules : dict
        Structure of the cotangent (ndarray, Columns, …) -> one rule for each input. Where a structure has
        no entry, the cotangent is made dense.
    bilinear : bool
        Whether the rules take cotangents, and sketches of what was saved, of every structure.
    broadcasts : bool
        Whether inputs follow NumPy's broadcasting, so that the sweep sums cotangents back to their shapes.
    as_is : bool
        Whether integers among themselves, and float16, reach the forward pass as they are; see `minigrad.arrays`.
    forward_flops, backward_flops : callable
        ``forward_flops(node)`` and ``backward_flops(node, edge, kept)``, floating-point operations.
    operands : callable or None
        For bilinear operations ``operands(node) -> (input, weight)``, squared norms that sampling scores use:
        of the input's rows, shape (…, rows, 1), and of the weight's columns, shape (…, 1, columns); each is
        None where it was not saved. See THEORY.md §2.
    residuals : tuple of str
        Saved inputs that may be sketched, as ``save=`` takes them; see `minigrad.residuals`.
    sketched : Primitive
        What a node with sketched residuals gets: the same operation, with rules that know sketches.
    trusted, direct : bool
        Whether forward and rules are of this package, and are called without the checks of `minigrad.results`; and
        whether the rules, moreover, take no position.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        rules: dict[str, Rule],
        broadcasts: bool = False,
        rowwise: bool = False,
        bilinear: bool = False,
        as_is: bool = False,
    ):
        self.forward, self.bilinear = forward, bilinear
        self.name = forward.__name__.strip("_")
        self.broadcasts, self.as_is = broadcasts, as_is
        parameters = list(inspect.signature(forward).parameters.values())
        self.variadic = parameters[0].kind is inspect.Parameter.VAR_POSITIONAL
        names = [p.name for p in parameters]
        self.inputs = tuple(name for name in names if name in rules)
        unknown = [name for name in rules if name not in names]
        if unknown:
            raise TypeError(
                f"primitive {self.name}: there is a VJP rule for {unknown[0]!r}, but the forward function has no such "
                f"argument; its arguments are {', '.join(names)}"
            )
        if not rules:
            raise TypeError(f"primitive {self.name}: give one VJP rule for each differentiable input, by its name")
        self.positional = [p.name for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]
        self.optional = {p.name for p in parameters if p.default is None}
        self.wants_needs = "needs" in names
        self.rules: dict[type, tuple[Rule, ...]] = {np.ndarray: tuple(rules[name] for name in self.inputs)}
        if rowwise:
            self.rules[Rows] = tuple(shortened(rules[name]) for name in self.inputs)
        # In the common case the inputs are the leading arguments, and no names have to be matched.
        self.leading = self.positional[: len(self.inputs)] == list(self.inputs)
        self.forward_flops: Callable[[Node], float] = output_size
        self.backward_flops: Callable[..., float] = input_size
        self.operands: Callable[[Node], tuple[Array | None, Array | None]] | None = None
        self.residuals: tuple[str, ...] = ()
        self.sketched = self
        # The library's own forward functions and rules keep to the contract, which its tests see to.
        self.trusted = all(map(is_own, [forward, *rules.values()]))
        self.direct = self.trusted and not self.variadic

    def structured(self, structure: type[Structured], **rules: Rule) -> None:
        """Add cheaper VJP rules for cotangents of one structure; inputs left out fall back to dense.

        Parameters
        ----------
        structure : type
            A class of `minigrad.structure`.
        **rules : callable
            ``rule(g, saved)`` by the name of the input, where ``g`` has this structure.
        """

        def fallback(rule: Rule) -> Rule:
            return lambda g, saved: rule(g.dense(), saved)

        if not all(map(is_own, rules.values())):
            self.trusted = self.direct = False
        dense_rules = self.rules[np.ndarray]
        self.rules[structure] = tuple(
            rules[name] if name in rules else fallback(rule)
            for name, rule in zip(self.inputs, dense_rules, strict=True)
        )

    def rules_for(self, g: Cotangent) -> tuple[Cotangent, tuple[Rule, ...]]:
        """The rules, one for each input, that take this cotangent, and it in the form in which they take it."""
        rules = self.rules.get(type(g))
        if rules is None:
            if not self.bilinear:
                g = np.asarray(dense(g))
            rules = self.rules[np.ndarray]
        return g, rules

    def pull(self, g: Cotangent, saved: Saved, edge: int) -> Cotangent:
        """One VJP: the cotangent of the input at position ``edge``, from that of the output, of any structure."""
        g, rules = self.rules_for(g)
        return rules[0](g, saved, edge) if self.variadic else rules[edge](g, saved)

    def takes(self, structure: type[Structured]) -> bool:
        """Whether cotangents of this structure are not made dense first."""
        return structure in self.rules or (self.bilinear and structure.multiplies)

    def edge_name(self, edge: int) -> str:
        """The name of an input by its position, as ``vjp={name: estimator}`` takes it."""
        return f"{self.inputs[0]}[{edge}]" if self.variadic else self.inputs[edge]

    def bind(self, args: tuple[Any, ...], settings: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Sort the arguments of a call into inputs and settings."""
        if self.variadic:
            return list(args), settings
        count = len(self.inputs)
        if self.leading and len(args) == count and not settings:
            return list(args), settings
        if len(args) > len(self.positional):
            raise TypeError(
                f"{self.name}: takes {len(self.positional)} positional arguments "
                f"({', '.join(self.positional)}), got {len(args)}"
            )
        named = dict(zip(self.positional, args, strict=False))
        for name, value in settings.items():
            if name in named:
                raise TypeError(f"{self.name}: argument {name!r} was given twice")
            named[name] = value
        missing = [name for name in self.inputs if name not in named and name not in self.optional]
        if missing:
            raise TypeError(f"{self.name}: argument {missing[0]!r} is missing")
        return [named.pop(name, None) for name in self.inputs], named

    def __call__(self, *args: Any, vjp: Any = None, save: Any = None, **settings: Any) -> Tensor:
        """Compute, and record a node if a tape is active and some input requires a gradient."""
        if save is not None:
            save = check_save(self, save)
        inputs, settings = self.bind(args, settings)
        tape = current_tape()
        arrays: list[Array | None] = []
        parents: list[int | Tensor | None] = []
        weak: list[int] | None = None
        leaves: list[Tensor] = []
        recording = odd = narrow = False
        for k, value in enumerate(inputs):
            if type(value) is Tensor or isinstance(value, Tensor):
                array = value.data
                arrays.append(array)
                dtype = array.dtype
                if dtype is not SINGLE and dtype is not DOUBLE:
                    odd = True
                if value.requires_grad and tape is not None:
                    if value.tape is tape:
                        parents.append(value.node)
                    elif is_foreign(value, tape):
                        raise foreign(f"{self.name}: input {self.edge_name(k)!r}", value, tape)
                    else:
                        parents.append(value)
                        leaves.append(value)
                    recording = True
                    continue
            elif value is None:
                if self.variadic or self.inputs[k] not in self.optional:
                    raise self.unfit(k, "None")
                arrays.append(None)
            else:
                if type(value) is np.ndarray:
                    array = value
                elif type(value) is float or type(value) is int:
                    array = np.asarray(value)
                else:
                    array = plain(value, f"{self.name}: input {self.edge_name(k)!r}")
                dtype = array.dtype
                if not array.ndim or (array is not value and not isinstance(value, np.ndarray)):
                    weak = [k] if weak is None else [*weak, k]
                elif dtype is not SINGLE and dtype is not DOUBLE:
                    odd = True
                if dtype.kind not in "fiub":
                    raise self.unfit(k, f"a {type(value).__name__} of dtype {dtype}")
                arrays.append(array)
            parents.append(None)
        given = arrays
        if odd or weak is not None:
            given = list(arrays) if odd else arrays
            narrow = prepare(arrays, weak, self.as_is, odd)
        if settings:
            for name, value in settings.items():
                if isinstance(value, Tensor):
                    if value.requires_grad:
                        raise TypeError(
                            f"{self.name}: argument {name!r} is not differentiable, but it is a tensor that requires a "
                            "gradient; pass its `.data`"
                        )
                    settings[name] = value.data
                elif isinstance(value, np.ndarray) and type(value) is not np.ndarray:
                    settings[name] = plain(value, f"{self.name}: argument {name!r}")
        if self.wants_needs:
            settings["needs"] = tuple([p is not None for p in parents])
        try:
            if self.leading or self.variadic:
                answer = self.forward(*arrays, **settings)
            else:
                answer = self.forward(**dict(zip(self.inputs, arrays, strict=True)), **settings)
        except (ValueError, IndexError, TypeError) as error:
            raise self.explain(error, arrays) from error
        out, saved = answer if self.trusted else forward_output(self.name, answer)
        if type(out) is not np.ndarray:
            out = np.asarray(out)
        if narrow and out.dtype == SINGLE:
            out = out.astype(HALF)
            saved = restore(saved, given, arrays)
        result = Tensor.__new__(Tensor)
        result.data = out
        result.grad = None
        result.name = None
        result.version = 0
        if not recording or tape is None:
            result.requires_grad = False
            result.tape = result.node = None
            result.born = next(CLOCK)
            if vjp is not None:
                check_vjp(self, vjp, len(arrays))
            return result
        if not self.trusted and out.dtype.kind != "f":
            raise TypeError(
                f"{self.name}: its forward function returned dtype {out.dtype}, which has no derivative, but an input "
                "requires a gradient; return floats, or pass `.detach()`"
            )
        shapes = tuple([None if a is None else a.shape for a in arrays])
        node = Node(len(tape.nodes), self, tuple(parents), shapes, saved, out.shape, out.dtype, current_layer())
        if vjp is not None:
            node.vjp = vjp
        if save:
            sketch_residuals(node, save, tape)
        tape.record(node, leaves)
        result.requires_grad = True
        result.tape = tape
        result.node = node.index
        return result

    def explain(self, error: Exception, arrays: list[Array | None]) -> Exception:
        """The same error, with the operation, the layer and the shapes in front."""
        layer = current_layer()
        where = f" in layer {layer!r}" if layer else ""
        shapes = ", ".join(f"{self.edge_name(k)} {a.shape}" for k, a in enumerate(arrays) if a is not None)
        # NumPy's own subclasses of TypeError cannot be made from a text.
        kind = TypeError if isinstance(error, TypeError) else type(error)
        return kind(f"{self.name}{where}: {error} [shapes: {shapes}]")

    def unfit(self, k: int, what: str) -> TypeError:
        """The error for an input that holds no real numbers."""
        return TypeError(
            f"{self.name}: input {self.edge_name(k)!r} is {what}; it must hold real numbers. Pass a Tensor, an array "
            "or a number of float, integer or bool dtype (for complex values their .real and .imag)"
        )

    def __repr__(self) -> str:
        return f"<primitive {self.name}({', '.join(self.inputs)})>"


def primitive(
    *, broadcasts: bool = False, rowwise: bool = False, bilinear: bool = False, as_is: bool = False, **rules: Rule
) -> Callable[[Callable[..., Any]], Operation]:
    """Make an operation on tensors of a forward function on arrays and one VJP rule for each input.

    Parameters
    ----------
    broadcasts : bool, default False
        Whether the inputs broadcast against each other; the sweep then sums each cotangent back to the shape
        of its input, and the rules need not care.
    rowwise : bool, default False
        Whether every row of the output depends on the same row of the inputs alone, as in element-wise operations.
        A cotangent of which only some rows were kept then stays short: the rules are applied to these rows, and to
        the same rows of what was saved.
    bilinear : bool, default False
        Whether the rules are made of the products of `minigrad.structure`, and so take a cotangent of every structure,
        and a sketch in place of a saved input (``save=``). Otherwise they get arrays.
    as_is : bool, default False
        Whether the forward pass only moves values, or is a single function of NumPy's on them. Integers among
        themselves then stay integers. Otherwise integer and bool inputs become floats before the function sees them:
        of the dtype of the floating inputs, or float64 where there are none. float16 comes as float32, and the output
        is rounded.
    **rules : callable
        By the name of a differentiable input: ``rule(g, saved)`` returns the cotangent of that input, an
        array of its shape, from the cotangent ``g`` of the output. It must be linear in ``g``. Neither ``g`` nor what
        was saved can be written to: others still read them. An argument without a rule is a setting. For ``*arrays``
        the rule is ``rule(g, saved, k)``, k the position.

    Returns
    -------
    callable
        A decorator. The function it decorates takes arrays and returns exactly ``(output, saved)``, where ``saved``
        is a dict of all that the rules read, ``{}`` if they read nothing. If it has an argument ``needs`` it is told
        which inputs require a gradient, as a tuple of bool, and may save less.

    Raises
    ------
    TypeError
        If a rule is given for an argument that the function does not have. When called, if the function returns
        anything but ``(output, dict)``, an output that is masked or holds no real numbers, or one without a derivative
        (integers) where one is wanted. In the backward pass, if a rule returns no array, or a masked or complex one.
    ValueError
        In the backward pass, if a rule returns a wrong shape, or changes ``g`` or what was saved in place.

    Examples
    --------
    >>> import minigrad as mg
    >>> @mg.primitive(x=lambda g, saved: g * saved["slope"])
    ... def cube(x):
    ...     return x**3, {"slope": 3 * x**2}
    >>> mg.grad(cube)(np.array(2.0)).item()
    12.0
    """

    def decorate(forward: Callable[..., Any]) -> Operation:
        made = Primitive(forward, rules, broadcasts, rowwise, bilinear, as_is)

        @functools.wraps(forward)
        def operation(*args: Any, **kwargs: Any) -> Tensor:
            return made(*args, **kwargs)

        signature = inspect.signature(forward)
        shown = [p for name, p in signature.parameters.items() if name != "needs"]
        shown.append(inspect.Parameter("vjp", inspect.Parameter.KEYWORD_ONLY, default=None))
        operation.__signature__ = signature.replace(parameters=shown)  # type: ignore[attr-defined]
        operation.primitive = made  # type: ignore[attr-defined]
        return cast(Operation, operation)

    return decorate


def is_own(function: Callable[..., Any]) -> bool:
    """Whether a function is of this package."""
    return str(getattr(function, "__module__", None)).partition(".")[0] == __name__.partition(".")[0]
