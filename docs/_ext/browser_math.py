"""Formulas as MathML, which browsers draw themselves: no script, no font, no network.

The conversion is that of Docutils. A formula that it does not understand is a warning of the build, not a red box on
the page. Roots and brackets need a font that knows how they grow: STIX Two Math, under the SIL Open Font Licence, is
taken from the installed package ziamath when the site is built, with the characters that are needed.
"""

from __future__ import annotations

import html
import re
import unicodedata
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import ziamath
from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from fontTools import subset
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

NAMESPACE = "http://www.w3.org/1998/Math/MathML"
FONT, SUBSET = "STIXTwoMath-Regular.ttf", "STIXTwoMath.woff"
LOGGER = logging.getLogger(__name__)


SIZED = re.compile(r"\\(big|Big|bigg|Bigg)(?![a-zA-Z])\s*(\\[a-zA-Z]+|\\.|.)")
BAR = re.compile(r"<mo>([‖∥|])</mo>")
ENTITY = re.compile(r"&(?!lt;|gt;|amp;)\w+;")
FRACTION = re.compile(r"\\[td]?frac\s*([0-9a-zA-Z])\s*([0-9a-zA-Z])")
ITALIC: dict[str, list[int]] = {}
"""The italic forms among the mathematical letters, of Latin and Greek ones."""
for code in range(0x1D434, 0x1D71C):
    if unicodedata.name(chr(code), "").startswith("MATHEMATICAL ITALIC "):
        ITALIC.setdefault(unicodedata.normalize("NFKC", chr(code)), []).append(code)
ITALIC["h"] = [0x210E]
OPENING = {"(", "[", "|", r"\{", r"\|", r"\langle", r"\lVert", r"\lvert", r"\lfloor", r"\lceil"}


def known(formula: str) -> str:
    r"""Spell what Docutils does not know by what it does: ``\big(`` is ``\bigl(``, ``\frac12`` is ``\frac{1}{2}``."""
    formula = FRACTION.sub(lambda m: f"\\frac{{{m[1]}}}{{{m[2]}}}", formula.replace(r"\textstyle", " "))
    formula = SIZED.sub(lambda m: f"\\{m[1]}{'l' if m[2] in OPENING else 'r'}{m[2]}", formula)
    return re.sub(r"\\dots(?![a-zA-Z])", r"\\ldots", formula)


def accents(mathml: str) -> str:
    r"""Put the index of an accented letter at its foot: Docutils takes that of ``\hat g_u`` for a limit below it."""
    ElementTree.register_namespace("", NAMESPACE)
    tree = ElementTree.fromstring(ENTITY.sub(lambda m: html.unescape(m[0]), mathml))
    for element in list(tree.iter(f"{{{NAMESPACE}}}munderover")):
        base, index, accent = element
        if accent.tag.endswith("}mo") and not base.tag.endswith("}mo"):
            accented = ElementTree.Element(f"{{{NAMESPACE}}}mover", {"accent": "true"})
            accented.extend([base, accent])
            element.tag = f"{{{NAMESPACE}}}msub"
            element[:] = [accented, index]
    return ElementTree.tostring(tree, encoding="unicode")


def convert(formula: str, block: bool, node: Any) -> str:
    """MathML of a formula in LaTeX; a warning, and the LaTeX itself, where that fails."""
    try:
        # Bars are the same at both ends, so browsers cannot tell an opening one, and let only some of them grow.
        mathml = accents(str(tex2mathml(known(formula), as_block=block)))
        return BAR.sub(r'<mo stretchy="false">\1</mo>', mathml)
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


def shown(text: str) -> set[int]:
    """The characters of the formulas on a page; letters in italics as well, for browsers draw them so."""
    formulas = "".join(re.findall(r"<math.*?</math>", text, re.DOTALL))
    plain = set(html.unescape(re.sub(r"<[^>]*>", "", formulas))) | ({"√"} if "<msqrt" in formulas else set())
    return {ord(c) for c in plain} | {italic for c in plain for italic in ITALIC.get(c, ())}


def add_font(app: Any, error: Exception | None) -> None:
    """Put the font among the static files, with no more than the characters of the formulas that were built."""
    if error or app.builder.format != "html":
        return
    pages = [path.read_text(encoding="utf-8") for path in Path(app.outdir).rglob("*.html")]
    # Of its features formulas need the forms for indices and under accents.
    options = subset.Options(flavor="woff", layout_features=["ssty", "dtls", "flac"], hinting=False)
    font = subset.load_font(str(Path(ziamath.__file__).parent / "fonts" / FONT), options)
    subsetter = subset.Subsetter(options)
    subsetter.populate(unicodes=set[int]().union(*map(shown, pages)))
    subsetter.subset(font)
    # Browsers apply to the p of p_j what TeX applies to boxes alone: an index below whatever hangs below the line.
    constants = font["MATH"].table.MathConstants
    constants.SubscriptBaselineDropMin.Value = -250
    # And a root of one line is drawn with the sign of one line; the next larger one hangs far below it.
    constants.RadicalVerticalGap.Value = 45
    subset.save_font(font, str(Path(app.outdir) / "_static" / SUBSET), options)


def setup(app: Any) -> dict[str, Any]:
    """Register the renderer under the name ``browser``."""
    app.add_html_math_renderer("browser", (visit_math, None), (visit_math_block, None))
    app.connect("build-finished", add_font)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
