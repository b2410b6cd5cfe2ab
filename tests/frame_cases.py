"""Cotangents of every structure that a frame may have to hold."""

from __future__ import annotations

import numpy as np

from minigrad.estimators import StochasticRounding, parse
from minigrad.structure import (
    Coded,
    Dense,
    Rows,
    Structured,
)

RNG = np.random.default_rng(0)
G = (RNG.standard_normal((12, 10)) * np.logspace(-2, 2, 12)[:, None]).astype(np.float32)
IMAGES = RNG.standard_normal((3, 4, 2, 6)).astype(np.float32)


def drawn(text, g=G, seed=0):
    return parse(text).sample(g, None, np.random.default_rng(seed))


class Own(Structured):
    """A structure that the format has never heard of."""

    def __init__(self, values):
        self.values, self.shape = values, values.shape

    @property
    def parts(self):
        return (self.values,)

    def dense(self):
        return 2 * self.values


class OwnRows(Rows):
    """A subclass that means something else by its arrays."""

    __slots__ = ()

    def dense(self):
        return 3 * super().dense()


STRUCTURES = {
    "dense": G,
    "dense, wrapped": Dense(G),
    "scalar": np.array(2.5),
    "vector": G[0],
    "empty": np.zeros((0, 4), np.float32),
    "no columns": np.zeros((3, 0), np.float32),
    "not contiguous": G.T,
    "of the other byte order": G.astype(">f4"),
    "float16": G.astype(np.float16),
    "float64": G.astype(float),
    "nan and infinity": np.array([[np.nan, np.inf, -0.0]], np.float32),
    "rows": drawn("mask(0.5, axis=row)"),
    "no rows": Rows(np.zeros((0, 10), np.float32), np.zeros(0, np.intp), (12, 10)),
    "samples": drawn("mask(0.5, axis=sample)", IMAGES),
    "rows of images": drawn("mask(0.5, axis=row)", IMAGES),
    "columns": drawn("mask(0.5)"),
    "entries": drawn("mask(0.2, axis=element)"),
    "factors": drawn("lowrank(0.3)"),
    "factors of images": drawn("lowrank(0.5)", IMAGES),
    "slices": drawn("mask(0.5, axis=token)", IMAGES),
    "heads": drawn("mask(0.5, axis=head)", IMAGES),
    "half": drawn("rounding(16)"),
    "float16, then 3 bits": drawn("then(mask(0.5, axis=row), rounding(3))", G.astype(np.float16)),
    "float16, then powers of two": drawn("then(mask(0.5), natural())", G.astype(np.float16)),
    "the row of a vector": Rows(G[:1], np.array([0]), (10,)),
    "the row of a number": Rows(G[:1, :1], np.array([0]), ()),
    "no rows of a grid a column": StochasticRounding(3, "column").sample(G, None, 1).take_rows(np.zeros(0, int)),
    "no rows of one grid": StochasticRounding(3, "tensor").sample(G, None, 1).take_rows(np.zeros(0, int)),
    "powers of two": drawn("natural"),
    "powers of two, images": drawn("natural", IMAGES * np.float32(1e-30)),
    "4 bits, tiles of several rows": drawn("rounding(4, axis=block)", np.tile(G, (5, 1))),
    "3 bits, tiles of rows, subtracted": drawn("rounding(3, axis=block, dither=subtractive)", np.tile(G, (5, 1))),
    "optimal bits": drawn("rounding(3, allocation=optimal)"),
    "by distortion": drawn("rounding(distortion=1e-5)"),
    "rows, then 4 bits": drawn("then(mask(0.5, axis=row), rounding(4))"),
    "columns, then 3 bits by optimal": drawn("then(mask(0.5), rounding(3, allocation=optimal))"),
    "entries, then 5 bits": drawn("then(mask(0.5, axis=element), rounding(5))"),
    "low rank, then 8 bits": drawn("then(lowrank(0.3), rounding(8))"),
    "heads, then half": drawn("then(mask(0.5, axis=head), rounding(16))", IMAGES),
    "samples, then 2 bits": drawn("then(mask(0.5, axis=sample), rounding(2))", IMAGES),
    "two sketches": Coded(
        drawn("mask(0.5, axis=row)"), {"values": drawn("mask(0.5)", drawn("mask(0.5, axis=row)").values)}
    ),
    **{
        f"{bits} bits, {axis}, {dither}" + ", images" * (g is IMAGES): StochasticRounding(bits, axis, dither).sample(
            g, None, 1
        )
        for bits in (1, 3, 8)
        for axis in ("row", "column", "block", "tensor")
        for dither in ("plain", "subtractive")
        for g in (G, IMAGES)
    },
}
