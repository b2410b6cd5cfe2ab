"""Two draws of one saved value, for VJP rules that are quadratic in it.

The VJP of a normalisation, G − X̂·mean(G·X̂) but for factors, and that of a softmax take one saved value twice in a
product. With a single draw x̃ of it that product is biased, for E x̃² is x² plus the variance of x̃; with two draws,
independent of each other, it is not. So ``save=`` draws two there, and the rule reads the second by `again`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["again", "twin"]


def twin(name: str) -> str:
    """The name under which the second draw of a saved value stands.

    Examples
    --------
    >>> twin("normal")
    'normal again'
    """
    return f"{name} again"


def again(saved: Mapping[str, Any], name: str) -> Any:
    """The saved value for the second factor of a product with itself: its second draw; itself, if it is exact.

    Parameters
    ----------
    saved : mapping
        What a VJP rule is given.
    name : str
        One that the primitive calls ``quadratic``.

    Examples
    --------
    >>> again({"out": 1.5}, "out"), again({"out": 1.0, "out again": 2.0}, "out")
    (1.5, 2.0)
    """
    second = saved.get(twin(name))
    return saved[name] if second is None else second
