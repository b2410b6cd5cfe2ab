"""What pages need for slow lines, screen readers and small screens, and the tools that build them do not do.

Pictures are fetched when they come into sight, state their size, lead to themselves alone, and have no more colours
than they need. Wide ones have the class ``wide``, so that the style sheet can let them scroll on a phone.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from PIL import Image

PICTURE = re.compile(r"(<a\b[^>]*>\s*)?<img\b([^>]*)/?>")
SOURCE = re.compile(r'\bsrc="([^"]+)"')
CLASS = re.compile(r'\bclass="')
COLOURS = 128
WIDE = 1.3
"""Wider than this times its height, a picture has panels or a legend beside each other."""


def size_of(app: Any, source: str) -> tuple[int, int] | None:
    """Width and height of a picture of the site, in pixels."""
    name = source.rpartition("/")[2]
    origins = {dest: Path(app.srcdir) / path for path, dest in app.builder.images.items()}
    path = origins.get(name, Path(app.outdir) / "_images" / name)
    if not path.is_file() or path.suffix == ".svg":
        return None
    with Image.open(path) as picture:
        return picture.size


def readable(app: Any, match: re.Match[str]) -> str:
    """The tags of a picture, mended."""
    link, attributes = match[1] or "", match[2].rstrip(" /")
    source = SOURCE.search(attributes)
    size = size_of(app, source[1]) if source else None
    if size and not link:
        attributes += f' width="{size[0]}" height="{size[1]}"'
        if size[0] > WIDE * size[1]:
            attributes = (
                CLASS.sub('class="wide ', attributes) if CLASS.search(attributes) else f'{attributes} class="wide"'
            )
    picture = f'<img loading="lazy"{attributes}/>'
    if link or source is None or 'alt=""' in attributes or "alt=" not in attributes:
        return link + picture
    return f'<a class="picture" href="{source[1]}">{picture}</a>'


def mend_pictures(app: Any, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:
    """Change all pictures of a page's text."""
    if "body" in context:
        context["body"] = PICTURE.sub(lambda match: readable(app, match), context["body"])


def fewer_colours(app: Any, error: Exception | None) -> None:
    """Give the pictures of the site a palette, at a third of the bytes; what they were copied from stays as it is."""
    if error or app.builder.format != "html":
        return
    for path in (Path(app.outdir) / "_images").glob("*.png"):
        with Image.open(path) as picture:
            if picture.mode == "P":
                continue
            opaque = Image.new("RGB", picture.size, "white")
            opaque.paste(picture, mask=picture.getchannel("A") if picture.mode == "RGBA" else None)
        opaque.quantize(COLOURS, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)


def setup(app: Any) -> dict[str, Any]:
    """Change pages before they are written, and pictures after."""
    app.connect("html-page-context", mend_pictures)
    app.connect("build-finished", fewer_colours)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
