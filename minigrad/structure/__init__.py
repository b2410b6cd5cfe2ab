"""Structured matrices: how the kept part of a sketched cotangent, or of a saved input, is stored and multiplied.

An estimator decides *what* to keep. What it kept is stored here. The structures know how to multiply, so a primitive
writes its VJPs once, ∂X = G W and ∂W = Gᵀ X, for every structure of G and of a saved X̂.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from minigrad.naming import answering
from minigrad.structure.base import Cotangent, Dense, Kept, Structured
from minigrad.structure.batched import contract_batches, multiply_batches, narrow, swap
from minigrad.structure.blockwise import Blockwise
from minigrad.structure.coded import Coded, values_of
from minigrad.structure.columns import Columns
from minigrad.structure.entries import Entries
from minigrad.structure.factors import Factors
from minigrad.structure.half import Half
from minigrad.structure.parts import (
    add,
    column_sums,
    row_squares,
    scale,
    sum_to,
    take_columns,
    take_rows,
    take_samples,
    transpose,
)
from minigrad.structure.powers_of_two import PowersOfTwo
from minigrad.structure.products import (
    contract,
    dense,
    matrix,
    matrix_shape,
    multiply,
    reshape_rows,
)
from minigrad.structure.quantised import Quantised
from minigrad.structure.row_groups import RowGroups
from minigrad.structure.rows import Rows
from minigrad.structure.share import share
from minigrad.structure.slices import Slices
from minigrad.structure.squares import squared_norms

__all__ = [
    "Blockwise", "Coded", "Columns", "Cotangent", "Dense", "Entries", "Factors", "Half", "Kept", "PowersOfTwo",
    "Quantised", "RowGroups", "Rows", "Slices", "Structured", "add", "column_sums", "contract", "contract_batches",
    "dense", "matrix", "matrix_shape", "multiply", "multiply_batches", "narrow", "reshape_rows", "row_squares",
    "scale", "share", "squared_norms", "sum_to", "swap", "take_columns", "take_rows", "take_samples", "transpose",
    "values_of",
]  # fmt: skip

if not TYPE_CHECKING:  # a checker that saw it would take every misspelt name
    __getattr__ = answering(__name__)
