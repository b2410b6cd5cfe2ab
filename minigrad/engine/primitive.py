"""Primitives: an operation's forward pass, with its VJP rules beside it, and what it costs.

The function returns its output and a dict of what the rules will read. That dict is kept on the tape as it is
(``node.saved``): visible data, not a closure.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Any, Literal, TypeAlias, get_args

import numpy as np

from minigrad.engine.rowwise import rowwise_rule, slicewise_rule
from minigrad.engine.twice import twin
from minigrad.structure import Cotangent, Kept, Rows, Slices, Structured, dense
from minigrad.typing import Array, Shape

__all__ = ["Kind", "Primitive", "Rule", "Saved", "is_own", "rows_kept"]

Saved: TypeAlias = dict[str, Any]
Rule: TypeAlias = Callable[..., Cotangent]
"""``rule(g, saved)``: the cotangent of the output and what was saved -> the cotangent of one input."""

Kind: TypeAlias = Literal["linear", "elementwise", "bilinear", "multilinear", "symmetric", "piecewise_linear"]
"""The word of a primitive, which gives its tangents (JVPs) and the derivatives of its VJP rules:

- ``linear``: in all its inputs together; the tangent is the forward pass itself, on tangents.
- ``elementwise``: each entry of the output hangs on one entry of each input; a tangent is the VJP rule itself.
- ``bilinear``: linear in each input by itself, with rules made of the products of `minigrad.structure`, which take a
  cotangent of every structure, and a sketch in place of a saved input. The tangent is f(ẋ, w) + f(x, ẇ). A bias is
  linear with the others held fixed, but no factor: give it a tangent of its own, and f gets None for it there.
- ``multilinear``: the same, for any number of inputs, with rules that take arrays.
- ``symmetric``: the Jacobian is symmetric; the tangent is the VJP rule itself.
- ``piecewise_linear``: what the rules read (indices, masks) has no derivative; the tangents are given.
"""


class Primitive:
    """One differentiable operation: its forward pass, its VJP rules, and what it costs.

    It describes: what is done with it is in `minigrad.engine.record` and `minigrad.engine.sweep`. The decorators of
    `minigrad.engine.define` make it.

    Attributes
    ----------
    name : str
        The name of the operation.
    inputs : tuple of str
        The names of the differentiable inputs, in order: the *edges* of a node.
    forward : callable
        ``forward(*arrays, **settings) -> (array, saved)``.
    settings : frozenset of str
        The names of its other arguments.
    rules : dict
        Structure of the cotangent (ndarray, Columns, …) -> one rule for each input; those given to the decorator stand
        under ndarray. Where a structure has no entry they are used, on the cotangent made dense unless the word is
        "bilinear".
    kind : str or None
        The word; see `Kind`.
    tangents : dict
        By the name of an input ``tangent(t, saved)``, the JVP of it alone, where the word does not give it.
    derived : dict
        By the name of what is saved, how it follows from inputs and output: ``f(saved) -> value``, for ``saved`` with
        all inputs by name, and ``"out"``.
    broadcasts : bool
        Whether inputs follow NumPy's broadcasting, so that the sweep sums cotangents back to their shapes.
    as_is : bool
        Whether integers among themselves, and float16, reach the forward pass as they are; see `minigrad.arrays`.
    forward_flops, backward_flops : callable
        ``forward_flops(node)`` and ``backward_flops(node, edge, kept)``, floating-point operations.
    counts_rows : bool
        Whether ``backward_flops`` holds for few rows even where the rule hands on an array of all of them. Else such
        a rule is taken to have worked on all.
    operands : callable or None
        For bilinear operations ``operands(node, side)``, squared norms that sampling scores use: side 0 is of the
        input's rows, shape (…, rows, 1), side 1 of the weight's columns, shape (…, 1, columns); None where it was not
        saved. See Theory §2.
    residuals : tuple of str
        Saved inputs that may be sketched, as ``save=`` takes them; see `minigrad.engine.residuals`.
    quadratic : tuple of str
        Those of the residuals of which two sketches are drawn; see `minigrad.engine.twice`.
    slope : bool
        Whether what may be sketched is the slope of an element-wise operation, in place of all that it saved.
    sketched : Primitive
        What a node with sketched residuals gets: itself if it is bilinear, else the same operation with rules that
        make sketches dense first.
    transposes : dict
        Its VJP rules as primitives, as far as they were asked for; see `minigrad.engine.tangents`.
    into : dict
        By position of an input ``f(g, saved, out)``, which adds what its VJP rule gives to an array in place, where
        that is less work than an array of zeros and a sum.
    trusted, direct : bool
        Whether forward and rules are of this package, and are called without the checks of
        `minigrad.engine.results`; and whether the rules, moreover, take no position. So a fault in a new operation of
        this package is told less clearly than one in a primitive of a user's: write it outside first, or test it.
    """

    def __init__(
        self,
        forward: Callable[..., Any],
        rules: dict[str, Rule],
        kind: Kind | None = None,
        tangents: Mapping[str, Rule] | None = None,
        derived: Mapping[str, Callable[[Saved], Any]] | None = None,
        broadcasts: bool = False,
        as_is: bool = False,
        residuals: Sequence[str] = (),
        slope: bool = False,
        quadratic: Sequence[str] = (),
    ):
        self.forward, self.kind = forward, kind
        self.tangents, self.derived = dict(tangents or {}), dict(derived or {})
        self.name = forward.__name__.strip("_")
        self.broadcasts, self.as_is = broadcasts, as_is
        parameters = list(inspect.signature(forward).parameters.values())
        self.variadic = parameters[0].kind is inspect.Parameter.VAR_POSITIONAL
        names = [p.name for p in parameters]
        self.inputs = tuple(name for name in names if name in rules)
        self.settings = frozenset(names) - {*self.inputs, "needs"}
        unknown = [name for name in rules if name not in names]
        if unknown:
            raise TypeError(
                f"primitive {self.name}: there is a VJP rule for {unknown[0]!r}, but the forward function has no such "
                f"argument; its arguments are {', '.join(names)}"
            )
        if not rules:
            raise TypeError(f"primitive {self.name}: give one VJP rule for each differentiable input, by its name")
        check_words(self, rules)
        self.positional = [p.name for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY]
        self.optional = {p.name for p in parameters if p.default is None}
        self.wants_needs = "needs" in names
        self.rules: dict[type, tuple[Rule, ...]] = {np.ndarray: tuple(rules[name] for name in self.inputs)}
        if kind == "elementwise":
            self.rules = elementwise_rules(self.rules[np.ndarray])
        # In the common case the inputs are the leading arguments, and no names have to be matched.
        self.leading = self.variadic or self.positional[: len(self.inputs)] == list(self.inputs)
        self.forward_flops: Callable[..., float] = output_size
        self.backward_flops: Callable[..., float] = input_size
        self.counts_rows = kind == "bilinear"
        self.operands: Callable[..., Array | None] | None = None
        self.into: dict[int, Callable[[Array, Saved, Array], None]] = {}
        self.quadratic = tuple(quadratic)
        self.residuals = ("slope",) if slope else (*residuals, *quadratic)
        self.slope = slope
        if self.residuals and self.variadic:
            raise TypeError(f"{self.name}: residuals are known by the names of inputs, and *arrays have none")
        if slope and (kind != "elementwise" or len(self.inputs) != 1 or residuals or quadratic):
            raise TypeError(f"{self.name}: slope=True is for element-wise operations of one input, without residuals=")
        self.sketched = self
        self.transposes: dict[tuple[int, int], Primitive] = {}
        # The library's own forward functions and rules keep to the contract, which its tests see to.
        self.trusted = all(map(is_own, [forward, *rules.values(), *self.tangents.values()]))
        self.direct = self.trusted and not self.variadic
        if self.residuals and kind != "bilinear":
            self.sketched = self.by_slope().written_out() if slope else self.written_out()

    def structured(self, structure: type[Structured], **rules: Rule) -> None:
        """Add cheaper VJP rules for cotangents of one structure; inputs left out fall back to dense.

        Parameters
        ----------
        structure : type
            A class of `minigrad.structure`.
        **rules : callable
            ``rule(g, saved)`` by the name of the input, where ``g`` has this structure.
        """

        def of_dense(rule: Rule) -> Rule:
            return lambda g, saved: rule(g.dense(), saved)

        if not all(map(is_own, rules.values())):
            self.trusted = self.direct = False
        dense_rules = self.rules[np.ndarray]
        self.rules[structure] = tuple(
            rules[name] if name in rules else of_dense(rule)
            for name, rule in zip(self.inputs, dense_rules, strict=True)
        )

    def call(self, arrays: Sequence[Array | None], settings: Mapping[str, Any]) -> Any:
        """The forward pass, with inputs in order and settings by name."""
        if self.leading:
            return self.forward(*arrays, **settings)
        return self.forward(**dict(zip(self.inputs, arrays, strict=True)), **settings)

    def fallback(self, g: Cotangent) -> tuple[Cotangent, tuple[Rule, ...]]:
        """The ordinary rules, for a structure without rules of its own, and the cotangent as they take it."""
        known = g.uncoded() if isinstance(g, Structured) else g
        if type(known) in self.rules:
            return known, self.rules[type(known)]
        return known if self.kind == "bilinear" else np.asarray(dense(known)), self.rules[np.ndarray]

    def pull(self, g: Cotangent, saved: Saved, edge: int) -> Cotangent:
        """One VJP: the cotangent of the input at position ``edge``, from that of the output, of any structure."""
        rules = self.rules.get(type(g))
        if rules is None:
            g, rules = self.fallback(g)
        return rules[0](g, saved, edge) if self.variadic else rules[edge](g, saved)

    def takes(self, structure: type[Structured]) -> bool:
        """True if cotangents of this structure spare operations: they are not made dense first."""
        return structure in self.rules or (self.kind == "bilinear" and structure.multiplies)

    def written_out(self) -> Primitive:
        """The same primitive with rules that first make sketched residuals dense; nodes without pay nothing for it."""

        def with_dense(rule: Rule) -> Rule:
            def of_arrays(g: Cotangent, saved: Saved) -> Cotangent:
                written = {name: saved[name].dense() for name in names if isinstance(saved.get(name), Structured)}
                return rule(g, {**saved, **written})

            return of_arrays

        names = [*self.residuals, *map(twin, self.quadratic)]
        made = copy(self)
        made.transposes = {}
        made.rules = {structure: tuple([with_dense(rule) for rule in rules]) for structure, rules in made.rules.items()}
        return made

    def by_slope(self) -> Primitive:
        """The same primitive with the rule g·slope, which reads nothing else that was saved."""

        def times_slope(g: Array, saved: Saved) -> Array:
            found: Array = g * saved["slope"]
            return found

        made = copy(self)
        made.transposes = {}
        made.rules = elementwise_rules([times_slope])
        return made

    def edge_name(self, edge: int) -> str:
        """The name of an input by its position, as ``vjp={name: estimator}`` takes it."""
        return f"{self.inputs[0]}[{edge}]" if self.variadic else self.inputs[edge]

    def __repr__(self) -> str:
        return f"<primitive {self.name}({', '.join(self.inputs)})>"


def elementwise_rules(rules: Sequence[Rule]) -> dict[type, tuple[Rule, ...]]:
    """The rules of an element-wise operation by the structure of the cotangent, made of those for arrays."""
    return {
        np.ndarray: tuple(rules),
        Rows: tuple([rowwise_rule(rule) for rule in rules]),
        Slices: tuple([slicewise_rule(rule) for rule in rules]),
    }


def check_words(of: Primitive, rules: Mapping[str, Rule]) -> None:
    """Raise if a primitive is described by a word that there is not, or a tangent of what is no input."""
    if of.kind not in (None, *get_args(Kind)):
        raise ValueError(f"primitive {of.name}: kind={of.kind!r} is none of {', '.join(get_args(Kind))}")
    unknown = [name for name in of.tangents if name not in rules]
    if unknown:
        raise TypeError(
            f"primitive {of.name}: there is a tangent for {unknown[0]!r}, but no VJP rule; both belong to one input"
        )
    missing = [name for name in rules if name not in of.tangents]
    if of.kind == "piecewise_linear" and missing:
        raise TypeError(f"primitive {of.name}: kind='piecewise_linear' needs a tangent for {missing[0]!r}, too")


def output_size(node: Any) -> float:
    """One operation for each entry of the output: the cost of element-wise work and reductions."""
    return float(np.prod([node.shape if node.shape else (1,)], dtype=float))


def input_size(node: Any, edge: int, kept: Any) -> float:
    """One operation for each entry of the input that is worked on."""
    shape: Shape | None = node.in_shapes[edge]
    return rows_kept(kept) * float(np.prod(shape, dtype=float)) if shape is not None else 0.0


def rows_kept(kept: Kept) -> float:
    """The fraction of its work that is left to an operation whose only cheaper rules are those for kept rows."""
    return kept.fraction if kept.structure in (Rows, Slices) else 1.0  # other structures are made dense first


def is_own(thing: Callable[..., Any]) -> bool:
    """True if a function or a class is of this package."""
    return str(getattr(thing, "__module__", None)).partition(".")[0] == __name__.partition(".")[0]
