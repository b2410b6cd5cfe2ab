"""The picture of the README: the two pictures of the site's first page, side by side.

Draw it with ``python docs/readme_picture.py``; it takes a few seconds, and the result is committed.
"""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib.pyplot as plt

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_pictures"))

import cotangent  # noqa: E402
import training  # noqa: E402

if __name__ == "__main__":
    figure = plt.figure(figsize=(10.8, 4.4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.08, 1))
    cotangent.draw(left)
    training.draw(right)
    figure.savefig(HERE / "_static" / "minigrad.png", dpi=110, metadata={"Software": None})
