"""The contract between the backward sweep and an estimator of a cotangent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, TypeAlias

import numpy as np

from minigrad.engine.primitive import is_own
from minigrad.structure import Cotangent, Dense, Kept
from minigrad.typing import Array, Shape

__all__ = ["LISTABLE_BITS", "VJP", "Estimator", "Save", "TooManyOutcomes", "estimator_hint"]

LISTABLE_BITS = 20
"""Two to this power are the most outcomes that are listed; so many units of uncertain fate have as many outcomes."""


class TooManyOutcomes(ValueError):
    """There are more outcomes than may be listed.

    Examples
    --------
    >>> import numpy as np
    >>> from minigrad.estimators import Mask
    >>> from minigrad.inspect import TooManyOutcomes
    >>> try:
    ...     list(Mask(0.5).outcomes(np.ones((2, 64)), None))
    ... except TooManyOutcomes as error:
    ...     print(error)
    independent draws of 64 units have 2^64 outcomes, too many to list; ...
    """


class Estimator:
    """Replaces the cotangent that arrives at a node by a random one with the same mean.

    Subclass it and write ``sample``; that is all the backward sweep needs. Because the exact VJP is
    linear in the cotangent, VJP(ĝ) is unbiased for any primitive whenever E[ĝ | g] = g (Theory §1).

    Attributes
    ----------
    budget : float
        The expected fraction that is kept, in (0, 1]; where it ``adapts``, the most that it can be.
    adapts : bool
        Whether the fraction kept follows the cotangent; False unless a subclass says otherwise. `budget` and `kept` are
        upper bounds then, and the cost of a backward pass is known when it was taken.
    unbiased : bool
        Whether E[ĝ | g] = g. True unless a subclass says otherwise.
    takes_rows : bool
        Whether ``sample`` takes `minigrad.structure.Rows`, of which an estimator nearer to the loss kept some, as they
        are. Elsewhere they are made dense first. False unless the class says otherwise itself.

    Examples
    --------
    An estimator of one's own, which flips a coin for the whole cotangent:

    >>> import minigrad as mg
    >>> from minigrad import ops
    >>> class Coin(mg.Estimator):
    ...     def sample(self, g, node, rng):
    ...         return 2 * g if rng.random() < 0.5 else 0 * g
    >>> w = mg.Tensor(np.ones(2), requires_grad=True)
    >>> with mg.Tape() as tape:
    ...     loss = ops.multiply(w, 3.0, vjp=Coin()).sum()
    >>> sorted({tape.gradients(loss, [w], rng=seed)[0][0].item() for seed in range(9)})
    [0.0, 6.0]
    """

    budget: float = 1.0
    adapts: bool = False
    unbiased: bool = True
    takes_rows: bool = False
    _trusted: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # The library's own estimators keep to the contract, which its tests see to.
        cls._trusted = is_own(cls)
        if not cls._trusted and "takes_rows" not in vars(cls):
            cls.takes_rows = False  # what it changes of its parent may expect an array

    # Any, so that a subclass may say Node or Node | None as it likes; nodes themselves stand above this file.
    # `g` is an array unless the estimator takes rows; so a subclass may write Array, as most do.
    def sample(self, g: Any, node: Any, rng: np.random.Generator) -> Cotangent:
        """One draw of ĝ.

        Parameters
        ----------
        g : ndarray, or Rows where it ``takes_rows``
            The cotangent that arrives at the node.
        node : Node
            The node, for estimators that look at what it saved; None when called by hand.
        rng : numpy.random.Generator
            The only source of randomness.

        Returns
        -------
        ndarray or structured cotangent
            Of the shape of ``g``.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no `sample`. Write `def sample(self, g, node, rng)` that returns an array "
            "(or a structured cotangent) of the shape of g."
        )

    def factor(self, g: Array, node: Any, rng: np.random.Generator) -> Array | None:
        """The random factor of a draw ĝ = factor · g, entry by entry: the draw that `sample` makes with this ``rng``.

        The derivative of a random gradient takes it as a constant, which is unbiased as the gradient is.

        Returns
        -------
        ndarray or None
            Of a shape that broadcasts to that of ``g``; None where a draw is no such product, or it is not said.
        """
        return None

    def __repr__(self) -> str:
        simple = (bool, int, float, str, np.number, type(None))
        shown = [f"{k}={v!r}" for k, v in vars(self).items() if not k.startswith("_") and isinstance(v, simple)]
        return f"{type(self).__name__}({', '.join(shown)})"

    def outcomes(self, g: Any, node: Any = None) -> Iterator[tuple[float, Cotangent]]:
        """Every possible ĝ with its probability, where the support is finite.

        Raises
        ------
        NotImplementedError
            Where the support is not finite, or the estimator does not say.
        """
        raise NotImplementedError(
            f"{type(self).__name__} does not list its outcomes, so nothing that depends on it can be enumerated. "
            "Write `outcomes(self, g, node)` if its support is finite, or use draws."
        )

    def distortion(self, g: Any, node: Any = None) -> float:
        """E‖ĝ − g‖² in closed form, where one is known.

        Raises
        ------
        NotImplementedError
            Where no closed form is known.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no closed form of its distortion. Write `distortion(self, g, node)` if you "
            "know one, or average ‖ĝ − g‖² over draws."
        )

    def rare(self, g: Array, level: float, node: Any = None) -> Array | None:
        """The part of ``g`` that a draw shows with a probability below ``level``; None where that is not known.

        `minigrad.inspect.unbiasedness` reads it: what is rare and was not seen is then no sign of a bias, and what is
        not rare and was never seen is one. Without it, a part that was never seen is no evidence of either.

        Parameters
        ----------
        g : ndarray
            The cotangent that arrives at the node, dense.
        level : float
            A probability, in (0, 1].
        node : Node, optional
            Where it arrives.

        Returns
        -------
        ndarray or None
            Of the shape of ``g``; the whole of it is the sum of what is rare and what is not.
        """
        return None

    def kept(self, shape: Shape) -> Kept:
        """The part that is expected to be kept of a cotangent of this shape, at most so where the estimator ``adapts``.

        The cost model reads it.
        """
        return Kept(Dense, 1.0)

    def unfit(self, shape: Shape) -> str:
        """Why it cannot take a cotangent of this shape; empty where it can. It is asked when it is set at a node."""
        return ""

    def overhead(self, shape: Shape) -> float:
        """Floating-point operations spent on scores, factorisations and rescaling, for the cost model."""
        return 0.0


VJP: TypeAlias = "Estimator | Mapping[str, Estimator] | None"
"""The argument ``vjp=``: None is exact; one estimator makes one draw that serves every input; a mapping by
the name of the input makes one draw for each input it names, and leaves the others exact."""

Save: TypeAlias = "Estimator | Mapping[str, Estimator] | None"
"""The argument ``save=``: None saves all; one estimator draws for each saved input by itself; or a mapping by name."""


def estimator_hint(value: Any, argument: str) -> str:
    """Advice on what to write in place of something that is no estimator."""
    if isinstance(value, str):
        return f"write {argument}=minigrad.estimators.parse({value!r})"
    if isinstance(value, type) and issubclass(value, Estimator):
        return f"this is the class; make one of it, as in {argument}={value.__name__}(0.1)"
    if getattr(value, "backward_pass", True) is False:
        return "it estimates the whole gradient and stands at no node: call its .gradient(loss, parameters)"
    return "see minigrad.estimators, or subclass minigrad.Estimator"
