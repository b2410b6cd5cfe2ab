"""The window of the explorer, as it is at first but for the estimator."""

from __future__ import annotations

import sys

from matplotlib.figure import Figure

from minigrad.explore import explore

figure = Figure(figsize=(12.8, 8))
explore(estimator="diagonal: cotangent", rng=0, figure=figure)
figure.savefig(sys.argv[1], dpi=125, metadata={"Software": None})
