"""Whether nn.bagnet and nn.vit learn as a plain model of the same size does: ``python tests/benchmarks/reference.py``.

The same architectures written in PyTorch, with PyTorch's own initial parameters, see the same images in batches of the
same size for the same number of steps, with the same optimiser and learning rates along half a cosine. Needs PyTorch;
the accuracy is that on the test images.
"""

from __future__ import annotations

import argparse
import datetime
import platform
import sys
import time
from functools import partial

import numpy as np

import minigrad as mg
from minigrad import datasets, nn, ops, optim, training
from minigrad.estimators import parse

SETTINGS = {"bagnet": ("sgd", 0.1), "vit": ("adam", 0.001)}
STAGES = ((16, 2, 3), (32, 2, 3), (64, 2, 3), (128, 1, 1))
"""Channels between, stride, and kernel of the stages of the default BagNet, whose receptive field is 17 pixels."""


def torch_bagnet(channels: int, classes: int):
    import torch
    from torch import nn as tn

    def unit(n: int, m: int, size: int = 1, step: int = 1) -> list[tn.Module]:
        return [tn.Conv2d(n, m, size, step, size // 2, bias=False), tn.BatchNorm2d(m)]

    class Block(tn.Module):
        def __init__(self, before: int, between: int, kernel: int, step: int):
            super().__init__()
            self.body = tn.Sequential(
                *unit(before, between), tn.ReLU(), *unit(between, between, kernel, step), tn.ReLU(),
                *unit(between, 4 * between),
            )  # fmt: skip
            self.beside = tn.Sequential(*unit(before, 4 * between, 1, step))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.beside(x) + self.body(x))

    blocks, before = [], STAGES[0][0]
    for between, step, kernel in STAGES:
        blocks.append(Block(before, between, kernel, step))
        before = 4 * between
    first = [tn.Conv2d(channels, 16, 1, bias=False), *unit(16, 16, 3), tn.ReLU()]
    return tn.Sequential(*first, *blocks, tn.AdaptiveAvgPool2d(1), tn.Flatten(), tn.Linear(before, classes))


def torch_vit(channels: int, classes: int, side: int, patch: int = 4, width: int = 64, depth: int = 4, heads: int = 4):
    import torch
    from torch import nn as tn

    class Block(tn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = tn.LayerNorm(width), tn.LayerNorm(width)
            self.attention = tn.MultiheadAttention(width, heads, batch_first=True)
            self.mlp = tn.Sequential(tn.Linear(width, 4 * width), tn.GELU(), tn.Linear(4 * width, width))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            y = self.norm1(x)
            x = x + self.attention(y, y, y, need_weights=False)[0]
            return x + self.mlp(self.norm2(x))

    class Vit(tn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = tn.Conv2d(channels, width, patch, patch)
            self.position = tn.Parameter(0.02 * torch.randn((side // patch) ** 2, width))
            self.blocks = tn.Sequential(*[Block() for _ in range(depth)])
            self.norm, self.head = tn.LayerNorm(width), tn.Linear(width, classes)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.embed(x).flatten(2).transpose(1, 2) + self.position
            return self.head(self.norm(self.blocks(x)).mean(dim=1))

    return Vit()


def cosine(step: int, total: int) -> float:
    return 0.5 * (1 + np.cos(np.pi * step / total))


def batches(size: int, batch: int, epochs: int, seed: int):
    """The order of the samples, the same for both programs."""
    rng = np.random.default_rng(seed)
    for _ in range(epochs):
        order = rng.permutation(size)
        for start in range(0, size - batch + 1, batch):
            yield order[start : start + batch]


def train_torch(name: str, data: datasets.Dataset, batch: int, epochs: int, seed: int) -> tuple[float, int]:
    import torch

    torch.manual_seed(seed)
    side, _, channels = data.x_train.shape[1:]
    model = torch_bagnet(channels, 10) if name == "bagnet" else torch_vit(channels, 10, side)
    kind, lr = SETTINGS[name]
    parameters = list(model.parameters())
    optimizer = torch.optim.SGD(parameters, lr, momentum=0.9) if kind == "sgd" else torch.optim.Adam(parameters, lr)
    x, y = torch.from_numpy(data.x_train.transpose(0, 3, 1, 2).copy()), torch.from_numpy(data.y_train.astype(np.int64))
    total = epochs * (len(x) // batch)
    for step, chosen in enumerate(batches(len(x), batch, epochs, seed)):
        for group in optimizer.param_groups:
            group["lr"] = lr * cosine(step, total)
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x[chosen]), y[chosen]).backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        test = torch.from_numpy(data.x_test.transpose(0, 3, 1, 2).copy())
        found = np.concatenate([model(part).argmax(dim=1).numpy() for part in test.split(500)])
    return float((found == data.y_test).mean()), sum(p.numel() for p in parameters)


def train_minigrad(
    name: str, data: datasets.Dataset, batch: int, epochs: int, seed: int, vjp: str | None = None, **options: float
) -> tuple[float, int]:
    model = nn.models.build(name, data.x_train.shape[1:], 10, rng=seed, **options)
    if vjp is not None:
        *sketched, _ = [path for path, module in model.named_modules() if hasattr(module, "vjp")]
        nn.set_vjp(model, parse(vjp), where=lambda path, module: path in sketched)
    kind, lr = SETTINGS[name]
    optimizer = optim.SGD(model, lr, momentum=0.9) if kind == "sgd" else optim.Adam(model, lr)
    total = epochs * (len(data.x_train) // batch)
    for step, chosen in enumerate(batches(len(data.x_train), batch, epochs, seed)):
        with mg.Tape() as tape:
            loss = ops.cross_entropy(model(data.x_train[chosen]), data.y_train[chosen])
        tape.backward(loss)
        optimizer.lr = lr * cosine(step, total)
        optimizer.step()
        optimizer.zero_grad()
    return training.evaluate(model, data.x_test, data.y_test)[1], sum(p.size for p in model.parameters())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="fashion_mnist")
    parser.add_argument("--train", type=int, default=10_000)
    parser.add_argument("--test", type=int)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--models", nargs="*", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--branch-scale", type=float, help="another than the model's; ours alone is trained")
    parser.add_argument("--vjp", help="an estimator for all layers but the last; ours alone is trained")
    args = parser.parse_args()
    mg.keep_memory()
    data = datasets.load(args.data).standardised().subset(args.train, args.test)
    print(f"{args.data}[{args.train}], {args.epochs} epochs, batch {args.batch_size}, {args.seeds} seeds")
    print(f"{'model':8} {'program':10} {'parameters':>10}  test accuracy / %")
    options = {"vjp": args.vjp, "branch_scale": args.branch_scale}
    own = {option: value for option, value in options.items() if value is not None}
    programs = {"minigrad": partial(train_minigrad, **own)}
    if not own:
        programs["PyTorch"] = train_torch
    for name in args.models:
        for program, train in programs.items():
            start, found = time.perf_counter(), []
            for seed in range(args.seeds):
                accuracy, size = train(name, data, args.batch_size, args.epochs, seed)
                found.append(100 * accuracy)
            values = ", ".join(f"{value:.2f}" for value in found)
            print(f"{name:8} {program:10} {size:>10,}  {np.mean(found):.2f} ({values})", flush=True)
            print(f"{time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
    print(f"{datetime.date.today().isoformat()}, Python {platform.python_version()}, NumPy {np.__version__}")


if __name__ == "__main__":
    main()
