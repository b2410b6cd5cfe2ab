"""What the tests of plugins and of ``--import`` share: code that registers one thing of each kind, and processes."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import minigrad

PLUGIN = """
import dataclasses

import numpy as np

from minigrad import datasets, estimators, nn


@estimators.register("coin_toss", "all of it, enlarged, or nothing")
@dataclasses.dataclass(frozen=True)
class CoinToss(estimators.Estimator):
    budget: float

    def sample(self, g, node, rng):
        return g / self.budget if rng.random() < self.budget else 0 * g


@nn.models.register("one_layer", "a linear model with a layer before it")
def one_layer(input_shape, classes, *, rng=None):
    rng = np.random.default_rng(rng)
    return nn.Sequential(
        nn.Flatten(), nn.Linear(int(np.prod(input_shape)), 5, rng=rng), nn.Linear(5, classes, rng=rng)
    )


@datasets.register("few_digits", "a part of digits")
def few_digits():
    return datasets.digits().subset(train=60, test=20)
"""

POINTS = """
[minigrad.estimators]
coin_toss = plugged_in
[minigrad.models]
one_layer = plugged_in:one_layer
[minigrad.datasets]
few_digits = plugged_in
"""


def install(folder, code=PLUGIN, points=POINTS, module="plugged_in"):
    """What pip makes of a package with one module and entry points."""
    (folder / f"{module}.py").write_text(textwrap.dedent(code))
    info = folder / f"{module}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)


def run(*arguments, at=None, cwd=None):
    """Run Python in a process of its own, with a folder of packages; return its status and its words."""
    paths = [*([str(at)] if at else []), str(Path(minigrad.__file__).parents[1])]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(
        [sys.executable, *arguments], env=env, cwd=cwd, capture_output=True, text=True, timeout=600, check=False
    )
    return done.returncode, " ".join(done.stdout.split()), " ".join(done.stderr.split())


COMPARE = (
    *("compare", "--model", "one_layer", "--data", "few-digits", "--vjp", "coin_toss"),
    *("--epochs", "1", "--seeds", "1", "--batch-size", "20"),
)
