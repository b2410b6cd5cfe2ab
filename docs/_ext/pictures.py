"""Pictures of the site that are no lesson's: each script in ``_pictures`` draws one, when the build begins."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from sphinx.errors import ExtensionError


def draw(app: Any) -> None:
    """Run the scripts whose picture is missing or older than they are."""
    for script in sorted((Path(app.srcdir) / "_pictures").glob("*.py")):
        picture = script.with_suffix(".png")
        if picture.exists() and picture.stat().st_mtime >= script.stat().st_mtime:
            continue
        environment = {**os.environ, "MPLBACKEND": "Agg"}
        done = subprocess.run(
            [sys.executable, str(script), str(picture)], env=environment, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ExtensionError(f"the picture {picture.name} could not be drawn:\n{done.stderr}")


def setup(app: Any) -> dict[str, Any]:
    """Draw before the pages are read."""
    app.connect("builder-inited", draw, priority=200)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
