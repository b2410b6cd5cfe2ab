"""Multi-head self-attention.

Index conventions: tokens X are (N, T, width); each of h heads works on d = width/h features, and queries Q, keys K and
values V are laid out as (N, h, T, d). A = softmax(Q Kᵀ/√d) has one row for each query and one column for each key.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import DTypeLike

from minigrad import ops
from minigrad.counts import whole
from minigrad.engine.estimator import VJP, Estimator, Save
from minigrad.engine.tensor import Tensor, TensorLike
from minigrad.nn.initial import lecun_uniform
from minigrad.nn.layer_arguments import as_tensor, place
from minigrad.nn.linear_layer import Linear
from minigrad.nn.sketch import Saving, Sketchable
from minigrad.streams import Domain, as_generator
from minigrad.structure import Slices
from minigrad.typing import Seed

__all__ = ["MultiHeadSelfAttention"]


class MultiHeadSelfAttention(Sketchable, Saving):
    """softmax(Q Kᵀ/√d) V for each head, joined and mapped by a linear layer.

    Vaswani et al. (2017), *Attention Is All You Need*, NeurIPS. The VJPs of its products are chosen in two places: the
    four linear maps ``query``, ``key``, ``value`` and ``out`` are layers with a ``vjp`` each, and the products Q Kᵀ and
    A V both take the ``vjp`` of this module. `minigrad.nn.set_vjp` reaches all six.

    Parameters
    ----------
    width : int
        Features of a token.
    heads : int, default 1
        They must divide the width.
    bias : bool, default True
        Of the linear maps.
    vjp : Estimator, mapping or None
        For the two products; see `minigrad.ops.matmul`, whose inputs are called a and b. Each draws by itself. The
        cotangent of Q Kᵀ has keys as columns and queries as rows; that of A V features as columns and tokens as rows.
        Heads (``axis="head"``) and query tokens (``"token"``) are drawn once, at A V: what was left out there is zero
        in the softmax and in Q Kᵀ as well, and all of the core works on what was kept.
    save : Estimator, mapping or None
        For Q and Kᵀ, which the first product saves as a and b, for V, which the second saves as b, and for A, which the
        second product and the softmax save: one sketch for that, two for this. A mapping of a and b leaves A alone.
    rng : Generator, int or None
        Draws the weights: `lecun_uniform`, which for square ones is the initialisation of Glorot and Bengio.
    dtype : dtype, default float32

    Raises
    ------
    ValueError
        If the heads do not divide the width. When called: if x is not of shape (N, T, width).

    Examples
    --------
    >>> attention = MultiHeadSelfAttention(8, heads=2, rng=0)
    >>> attention(np.ones((3, 5, 8), np.float32)).shape
    (3, 5, 8)
    >>> attention
    MultiHeadSelfAttention(8, heads=2)  288 parameters
      query: Linear(8, 8)                72
      key: Linear(8, 8)                  72
      value: Linear(8, 8)                72
      out: Linear(8, 8)                  72
    """

    operation = ops.matmul

    def __init__(
        self,
        width: int,
        heads: int = 1,
        bias: bool = True,
        *,
        vjp: VJP = None,
        save: Save = None,
        rng: Seed = None,
        dtype: DTypeLike = np.float32,
    ):
        self.width = whole("MultiHeadSelfAttention: width", width)
        self.heads = whole("MultiHeadSelfAttention: heads", heads)
        if self.width % self.heads:
            raise ValueError(
                f"MultiHeadSelfAttention: {self.heads} heads do not divide a width of {self.width}; each head takes "
                "the same number of features"
            )
        generator = as_generator(Domain.INITIALISATION, rng)

        def square() -> Linear:
            return Linear(width, width, bias, rng=generator, dtype=dtype, init=lecun_uniform)

        self.query, self.key, self.value, self.out = square(), square(), square(), square()
        self.vjp = vjp
        self.save = save

    def forward(self, x: TensorLike) -> Tensor:
        x = as_tensor(x)
        if x.ndim != 3 or x.shape[2] != self.width:
            raise ValueError(f"{place(self)}: needs tokens of shape (N, T, {self.width}), but got {x.shape}")
        n, t, _ = x.shape
        d = self.width // self.heads

        def by_head(tokens: Tensor) -> Tensor:
            return ops.transpose(ops.reshape(tokens, (n, t, self.heads, d)), (0, 2, 1, 3))

        # Scaled before the product: Q has fewer entries than Q Kᵀ where there are more tokens than features.
        q = ops.multiply(by_head(self.query(x)), 1 / math.sqrt(d))
        k, v = by_head(self.key(x)), by_head(self.value(x))
        vjp = None if self._once() else self._vjp
        every = None if isinstance(self._save, Mapping) else self._save
        weights = ops.softmax(ops.matmul(q, ops.swapaxes(k, -1, -2), vjp=vjp, save=self._save), save=every)
        mixed = ops.matmul(weights, v, vjp=self._vjp, save=self._of_values())
        joined = ops.reshape(ops.transpose(mixed, (0, 2, 1, 3)), (n, t, self.width))
        return self.out(joined)

    def _of_values(self) -> Save:
        """For A V: of a mapping that for V, since its a is Q."""
        save = self._save
        if not isinstance(save, Mapping):
            return save
        values = save.get("b")
        return None if values is None else {"b": values}

    def _once(self) -> bool:
        """True if what is kept at A V stays kept down to Q Kᵀ, where a second draw would add noise and save little."""
        vjp = self._vjp
        return isinstance(vjp, Estimator) and vjp.kept((1, self.heads, 1, 1)).structure is Slices

    def repr_arguments(self) -> str:
        return f"{self.width}, heads={self.heads}{self.repr_vjp()}{self.repr_save()}"
