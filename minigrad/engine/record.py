"""Recording: call a primitive on tensors, and write a node if a tape is active and some input requires a gradient.

Every operation of the library is one explicit function that names its primitive and comes here. Outside of a tape it
computes and records nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType
from typing import Any

import numpy as np

from minigrad.arrays import DOUBLE, HALF, SINGLE, plain, prepare, restore
from minigrad.engine.context import CONTEXT, Recorder, current_layer
from minigrad.engine.estimator import VJP, Save
from minigrad.engine.nesting import Place, active, made, place, places_of, standing
from minigrad.engine.node import Around, Node, check_vjp
from minigrad.engine.primitive import Primitive
from minigrad.engine.residuals import check_save, sketch_residuals
from minigrad.engine.results import explain_read_only, forward_output, read_only
from minigrad.engine.tensor import Tensor
from minigrad.typing import Array

__all__ = ["record"]

SIMPLE = frozenset([NoneType, bool, int, float, str, tuple])
"""Types of settings that hold no tensor."""


def record(
    primitive: Primitive,
    inputs: Sequence[Any],
    settings: dict[str, Any] | None = None,
    vjp: VJP = None,
    save: Save = None,
) -> Tensor:
    """Compute an operation, and record it on the innermost tape.

    Parameters
    ----------
    primitive : Primitive
    inputs : sequence of Tensor or array_like
        One for each differentiable input, in order; None where an optional one is left out.
    settings : dict, optional
        The other arguments of the forward function, by name.
    vjp : Estimator, mapping or None
        How the incoming cotangent is replaced on the way back.
    save : Estimator, mapping or None
        How what is saved is replaced.

    Returns
    -------
    Tensor
        Recorded, if a tape is active and an input requires a gradient; else a constant.

    Raises
    ------
    TypeError
        If an input holds no real numbers, or a setting requires a gradient.
    TapeError
        If an input belongs to another tape.

    Examples
    --------
    >>> from minigrad.engine.define import define
    >>> @define(x=lambda g, saved: g * saved["slope"])
    ... def cube(x):
    ...     return x**3, {"slope": 3 * x**2}
    >>> record(cube, (2.0,)).item()
    8.0
    """
    sketches = None if save is None else check_save(primitive, save)
    tapes = CONTEXT.tapes
    tape = tapes[-1] if tapes else None
    # 1. Read the inputs: their arrays, and where each stands on the innermost tape.
    arrays: list[Array | None] = []
    parents: list[Place] = []
    weak: list[int] | None = None  # positions of numbers and lists: they take on the dtype of the others
    traced = False  # whether an input requires a gradient
    leaves = False  # whether an input is no node of this tape, so that the tape may have to note it as a leaf
    single = double = False  # whether an array of that dtype is among them
    odd = narrow = False  # whether a dtype may be neither float32 nor float64; whether the output is to be float16
    for k, value in enumerate(inputs):
        if type(value) is Tensor or isinstance(value, Tensor):
            array = value.data
            arrays.append(array)
            dtype = array.dtype
            if dtype is DOUBLE:
                double = True
            elif dtype is SINGLE:
                single = True
            else:
                odd = True
            if value.requires_grad and tape is not None:
                if odd and dtype.kind != "f":  # set on the tensor after it was made, which checks it
                    raise unfit(primitive, k, f"a tensor of {dtype} with requires_grad=True: it has no derivative")
                if value.tape is tape and not tape.pulled:
                    parents.append(value.node)
                else:
                    # A leaf of this tape is found without a call; whatever is between tapes is for `place`.
                    stands = value.stands
                    if tape.pulled or tape.lent is not None:
                        own = False
                    elif stands is None:
                        own = value.tape is None
                    else:
                        own = tape in stands and stands[tape] is None
                    if own:
                        parents.append(value)
                    else:
                        parents.append(place(value, tape, f"{primitive.name}: input {primitive.edge_name(k)!r}"))
                    leaves = True
                traced = True
                continue
        elif value is None:
            if primitive.variadic or primitive.inputs[k] not in primitive.optional:
                raise unfit(primitive, k, "None")
            arrays.append(None)
        else:
            array = as_input(primitive, k, value)
            if not array.ndim or (array is not value and not isinstance(value, np.ndarray)):
                weak = [k] if weak is None else [*weak, k]
            elif array.dtype is DOUBLE:
                double = True
            elif array.dtype is SINGLE:
                single = True
            else:
                odd = True
            arrays.append(array)
        parents.append(None)
    # 2. Bring dtypes together, and call the forward function.
    given = arrays
    if odd or (weak is not None and not (single or double)):
        given = list(arrays)
        narrow = prepare(arrays, weak, primitive.as_is)
    elif weak is not None:  # numbers beside float32 and float64: what `prepare` comes to in the common case
        for k in weak:
            arrays[k] = np.asarray(arrays[k], DOUBLE if double else SINGLE)
    settings = as_settings(primitive, settings) if settings else {}
    where = None  # with tapes within tapes: all of them that record this, each with its parents
    if traced and len(tapes) > 1:
        where, leaves = everywhere(primitive, inputs), True
    told = settings  # what the forward function is told beyond its inputs
    if primitive.wants_needs:
        told = {
            **settings,
            "needs": tuple([p is not None for p in parents]) if where is None else needed(where, parents),
        }
    seen = arrays if primitive.trusted else read_only(arrays)
    try:
        answer = primitive.forward(*seen, **told) if primitive.leading else primitive.call(seen, told)
    except (ValueError, IndexError, TypeError) as error:
        if not primitive.trusted and isinstance(error, ValueError):
            explain_read_only(error, f"{primitive.name}: its forward function", "an input", "x")
        raise explain(primitive, error, arrays) from error
    out, saved = answer if primitive.trusted else forward_output(primitive.name, answer)
    if type(out) is not np.ndarray:
        out = np.asarray(out)
    if narrow and out.dtype == SINGLE:
        out = out.astype(HALF)
        saved = restore(saved, given, arrays)
    # 3. Write a node on each tape that records it; nearly always on one.
    if tape is None or not (traced if where is None else where):
        if vjp is not None:
            check_vjp(primitive, vjp, len(arrays))
        return made(out, None, None)
    if not primitive.trusted and out.dtype.kind != "f":
        raise TypeError(
            f"{primitive.name}: its forward function returned dtype {out.dtype}, which has no derivative, but an input "
            "requires a gradient; return floats, or pass `.detach()`"
        )
    shapes = tuple([None if a is None else a.shape for a in arrays])
    layer = CONTEXT.layers[-1]
    nodes: dict[Recorder, Node] = {}
    for recorder, stand in ((tape, parents),) if where is None else where.items():
        node = Node(len(recorder.nodes), primitive, tuple(stand), shapes, saved, out.shape, out.dtype, layer, settings)
        node.made(out)
        if vjp is not None:
            node.vjp = vjp
        if sketches:
            sketch_residuals(node, sketches, recorder)
        recorder.nodes.append(node)
        if leaves:
            recorder.read(stand)
        if where is None:
            return made(out, recorder, node.index)
        if nodes:  # tapes come from the outside in: these are around it, and the outermost keeps no more than it saved
            node.around = Around(dict(nodes), arrays, out)
        nodes[recorder] = node
    return standing(out, {each: node.index for each, node in nodes.items()})


def everywhere(primitive: Primitive, inputs: Sequence[Any]) -> dict[Recorder, Sequence[Place]]:
    """The active tapes that record an operation, from the outside in, each with where the inputs stand on it."""
    found = {tape: places_of(inputs, tape, primitive.name, primitive.edge_name) for tape in active()}
    return {tape: parents for tape, parents in found.items() if any(parent is not None for parent in parents)}


def needed(where: Mapping[Recorder, Sequence[Place]], none: Sequence[Any]) -> tuple[bool, ...]:
    """For each input, whether some tape wants its gradient."""
    return tuple([any(parents[k] is not None for parents in where.values()) for k in range(len(none))])


def as_input(primitive: Primitive, k: int, value: Any) -> Array:
    """An input that is no tensor, as a plain array of real numbers."""
    if type(value) is np.ndarray:
        array = value
    elif type(value) is float or type(value) is int:
        return np.asarray(value)
    else:
        array = plain(value, f"{primitive.name}: input {primitive.edge_name(k)!r}")
    if array.dtype.kind not in "fiub":
        raise unfit(primitive, k, f"a {type(value).__name__} of dtype {array.dtype}")
    return array


def as_settings(primitive: Primitive, settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with plain arrays in place of constant tensors."""
    for name, value in settings.items():
        if type(value) in SIMPLE:
            continue
        if isinstance(value, Tensor):
            if value.requires_grad:
                raise TypeError(
                    f"{primitive.name}: argument {name!r} is not differentiable, but it is a tensor that requires a "
                    "gradient; pass its `.data`"
                )
            settings[name] = value.data
        elif isinstance(value, np.ndarray) and type(value) is not np.ndarray:
            settings[name] = plain(value, f"{primitive.name}: argument {name!r}")
    return settings


def explain(primitive: Primitive, error: Exception, arrays: Sequence[Array | None]) -> Exception:
    """The same error, with the operation, the layer and the shapes in front."""
    layer = current_layer()
    where = f" in layer {layer!r}" if layer else ""
    shapes = ", ".join(f"{primitive.edge_name(k)} {a.shape}" for k, a in enumerate(arrays) if a is not None)
    # NumPy's own subclasses of TypeError cannot be made from a text.
    kind = TypeError if isinstance(error, TypeError) else type(error)
    return kind(f"{primitive.name}{where}: {error} [shapes: {shapes}]")


def unfit(primitive: Primitive, k: int, what: str) -> TypeError:
    """The error for an input that holds no real numbers."""
    return TypeError(
        f"{primitive.name}: input {primitive.edge_name(k)!r} is {what}; it must hold real numbers. Pass a Tensor, an "
        "array or a number of float, integer or bool dtype (for complex values their .real and .imag)"
    )
