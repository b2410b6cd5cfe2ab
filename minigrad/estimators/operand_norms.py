"""Norms of the operands of a node: the scores of units are made of them and of the cotangent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from minigrad.estimators.axes import AxisName
from minigrad.structure import Rows
from minigrad.typing import Array

if TYPE_CHECKING:
    from minigrad.engine.node import Node

__all__ = ["operand_norms"]


def operand_norms(node: Node | None, axis: AxisName, among: Rows | None = None) -> tuple[Array | None, Array | None]:
    """Return ‖X_i‖² of each row and ‖W_j‖² of each column, as far as they tell the units of an axis apart.

    Parameters
    ----------
    node : Node or None
        Where the cotangent arrives.
    axis : {"column", "row", "sample", "head", "token", "element"}
    among : Rows, optional
        The units that arrived, as ``Axis.stored`` has them; norms are those of the stored ones.

    Returns
    -------
    rows : ndarray or None
        Of shape (…, rows, 1); None for columns, whose bound ‖G_j‖²‖X‖² has the same factor for all.
    columns : ndarray or None
        Of shape (…, 1, columns); None but for columns and entries. Each is None also where the operand was not saved.

    Examples
    --------
    >>> import minigrad as mg
    >>> x, w = mg.Tensor([[2.0], [0.0]], requires_grad=True), mg.Tensor([[1.0], [3.0]], requires_grad=True)
    >>> with mg.Tape() as tape:
    ...     y = mg.ops.linear(x, w)
    >>> rows, columns = operand_norms(tape.nodes[0], "row")
    >>> rows.tolist(), columns
    ([[4.0], [0.0]], None)
    """
    if node is None or node.primitive.operands is None:
        return None, None
    if axis == "column":
        return None, node.norms(1)
    rows = node.norms(0)
    if axis == "element":
        return rows, node.norms(1)
    if among is not None and rows is not None:
        rows = among.take(np.broadcast_to(rows, (*among.shape[:-1], 1)))
    return rows, None
