"""Pipelines for tests, whose stages run in threads of this process, with the links that processes have."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from minigrad.experiments import Configuration
from minigrad.experiments.pipeline.link import Link, loopback_pair
from minigrad.experiments.pipeline.stage import Plan, Stage, checkpoint_path
from minigrad.training import load_checkpoint

SMALL = Configuration("mlp", "digits", batch_size=32, lr=0.05, train=300, test=100)
CUTS = {2: (3,), 3: (3, 5)}


def planned(folder, wire="exact", steps=6, cuts=(3,), every=50, configuration=SMALL, key="a"):
    return Plan(key, configuration, 0, cuts, steps, wire, every, str(folder))


def in_threads(plan, step=0):
    """The stages of a plan after their last step."""
    folder = Path(plan.folder)
    folder.mkdir(exist_ok=True)
    pairs = [tuple(map(Link, loopback_pair())) for _ in plan.cuts]
    ends = [(None, pairs[0][0]), *[(a[1], b[0]) for a, b in itertools.pairwise(pairs)], (pairs[-1][1], None)]
    stages = [Stage(plan, k, *both, step) for k, both in enumerate(ends)]
    with ThreadPoolExecutor(len(stages)) as pool:
        for done in [pool.submit(stage.run) for stage in stages]:
            done.result(60)
    for pair in pairs:
        for link in pair:
            link.close()
    return stages


def parameters(stages):
    return [parameter.data for stage in stages for parameter in stage.model.parameters()]


def in_files(plan):
    """The parameters that the last checkpoints of a plan have."""
    found = []
    for k in range(len(plan.cuts) + 1):
        arrays, _ = load_checkpoint(checkpoint_path(Path(plan.folder), k, plan.steps))
        found += [array for name, array in arrays.items() if name.startswith("model/")]
    return found


def same_bits(a, b):
    return len(a) == len(b) > 0 and all(x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True))
