"""Formulas as MathML, which browsers draw themselves: no script, no font, no network.

The conversion is that of Docutils. A formula that it does not understand is an error of the build, not a red box on
the page.
"""

from __future__ import annotations

import re
from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.errors import ExtensionError
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

LOGGER = logging.getLogger(__name__)


SIZED = re.compile(r"\\(big|Big|bigg|Bigg)(?![a-zA-Z])\s*(\\[a-zA-Z]+|\\.|.)")
OPENING = {"(", "[", "|", r"\{", r"\|", r"\langle", r"\lVert", r"\lvert", r"\lfloor", r"\lceil"}


def known(formula: str) -> str:
    r"""Spell what Docutils does not know by what it does: ``\big(`` is ``\bigl(``, ``\dots`` is ``\ldots``."""
    formula = SIZED.sub(lambda m: f"\\{m[1]}{'l' if m[2] in OPENING else 'r'}{m[2]}", formula)
    return re.sub(r"\\dots(?![a-zA-Z])", r"\\ldots", formula)


def convert(formula: str, block: bool, node: Any) -> str:
    """MathML of a formula in LaTeX; a warning, and the LaTeX itself, where that fails."""
    try:
        return str(tex2mathml(known(formula), as_block=block))
    except (MathError, SyntaxError, KeyError, IndexError, AttributeError, TypeError) as error:
        LOGGER.warning("formula %r: %s", formula, error, location=node)
        return ""


def visit_math(self: Any, node: Any) -> None:
    """A formula within a line."""
    self.body.append(f'<span class="math">{convert(node.astext(), False, node)}</span>')
    raise nodes.SkipNode


def visit_math_block(self: Any, node: Any) -> None:
    """A formula on lines of its own; blank lines part several."""
    parts = [part for part in node.astext().split("\n\n") if part.strip()]
    self.body.append(self.starttag(node, "div", CLASS="math formula"))
    if node.get("number"):
        number = get_node_equation_number(self, node)
        self.body.append(f'<span class="eqno">({number})</span>')
    self.body.extend(convert(part, True, node) for part in parts)
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, Any]:
    """Register the renderer under the name ``browser``."""
    try:
        app.add_html_math_renderer("browser", (visit_math, None), (visit_math_block, None))
    except ExtensionError as error:  # pragma: no cover
        raise ExtensionError(f"browser_math: {error}") from error
    return {"parallel_read_safe": True, "parallel_write_safe": True}
