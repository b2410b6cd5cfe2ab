"""Methods of a comparison: how the VJPs are computed, and on which batch size."""

from __future__ import annotations

from dataclasses import dataclass

from minigrad.estimators import Estimator, Exact, parse

__all__ = ["DEFAULT_VJPS", "Method", "methods_from"]

DEFAULT_VJPS = ("mask", "mask(axis=sample)", "diagonal", "lowrank", "topk")


@dataclass(frozen=True)
class Method:
    """One way to train.

    Parameters
    ----------
    label : str
        How tables and pictures name it.
    vjp : str
        The estimator of every sketched layer, as text that `minigrad.estimators.parse` takes.
    batch_size : int or None
        None: that of the comparison.
    equal_cost_to : str or None
        For the baseline: the label of the method whose cost its batch size was made to match.
    """

    label: str
    vjp: str = "Exact()"
    batch_size: int | None = None
    equal_cost_to: str | None = None

    @property
    def estimator(self) -> Estimator:
        """The estimator."""
        return parse(self.vjp)

    @property
    def exact(self) -> bool:
        """Whether its VJPs are exact."""
        return isinstance(self.estimator, Exact) or self.estimator.budget == 1


def methods_from(texts: tuple[str, ...], budget: float) -> tuple[Method, ...]:
    """The exact method, and one for each text; a text without a budget gets the given one.

    Raises
    ------
    ValueError
        If a text cannot be understood.

    Examples
    --------
    >>> [method.label for method in methods_from(("mask(axis=row)", "topk(0.5)"), budget=0.1)]
    ['exact', "Mask(0.1, axis='row')", 'TopK(0.5)']
    """
    methods = {"exact": Method("exact")}
    for text in texts:
        try:
            vjp = repr(parse(text, budget=budget))
        except TypeError as error:  # such as a budget that is a word
            raise ValueError(f"estimator text {text!r}: {error}") from error
        method = Method(vjp, vjp)
        if not method.exact:
            methods[method.label] = method
    return tuple(methods.values())
