"""What a user writes with layers, as a checker sees it: `test_typing_nn.py` runs one on this file.

A line that ends in ``# error: code`` must be reported under this code, and no other line may be.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from typing_extensions import assert_type

import minigrad as mg
from minigrad import nn, ops
from minigrad.estimators import Mask


class Net(nn.Module):
    def __init__(self, hidden: int = 4) -> None:
        self.first = nn.Linear(3, hidden)
        self.second = nn.Linear(hidden, 2)
        self.scale = mg.Tensor(np.ones(2), requires_grad=True)

    def forward(self, x: mg.Tensor) -> mg.Tensor:
        return ops.multiply(self.second(ops.relu(self.first(x))), self.scale)


class Wide(Net):
    def forward(self, x: mg.Tensor, times: int = 1) -> mg.Tensor:
        return ops.multiply(super().forward(x), times)


def types_are_kept(net: Net, x: mg.Tensor) -> None:
    assert_type(Net(hidden=5), Net)
    assert_type(net.first, nn.Linear)
    assert_type(net.first.weight, mg.Tensor)
    assert_type(net.scale, mg.Tensor)
    assert_type(net(x), mg.Tensor)
    assert_type(Wide()(x, times=2), mg.Tensor)
    assert_type(net.train().eval().astype(np.float64), Net)


def containers(x: mg.Tensor) -> None:
    model = nn.Sequential(nn.Linear(3, 2, vjp=Mask(0.5)), nn.ReLU())
    assert_type(model[0], nn.Module)
    assert_type(model[:1], nn.Sequential)
    assert_type([layer(x) for layer in model], list[mg.Tensor])
    assert_type(nn.Residual(model)(x), mg.Tensor)
    assert_type(nn.mlp((3, 2)), nn.Sequential)


def state(net: Net) -> None:
    assert_type(net.state_dict(), dict[str, NDArray[Any]])
    assert_type(net.load_state_dict(net.state_dict()), nn.IncompatibleKeys)
    assert_type(net.load_state_dict({}, strict=False).missing, list[str])
    assert_type(net.parameters(), list[mg.Tensor])
    assert_type(dict(net.named_parameters()), dict[str, mg.Tensor])
    assert_type(dict(net.named_modules()), dict[str, nn.Module])
    assert_type(dict(net.named_children()), dict[str, nn.Module])
    assert_type(nn.BatchNorm(2).running_mean, NDArray[Any])


def slips_are_reported(net: Net) -> None:
    print(net.frist)  # error: attr-defined
    net.frist = nn.Linear(3, 4)  # error: attr-defined
    print(net.first.wieght)  # error: attr-defined
    net.first.vpj = Mask(0.5)  # error: attr-defined
    net.first.vjp = "mask"  # error: assignment
    net.sate_dict()  # error: attr-defined
    net.first.weight = 3  # error: assignment
    net.load_state_dict(net.state_dict(), strickt=False)  # error: call-arg
    Net(hiden=5)  # error: call-arg
    nn.Linear(3)  # error: call-arg
    nn.Linear(3, 4, vpj=None)  # error: call-arg
    nn.Sequential([nn.ReLU()])  # error: arg-type
    nn.Linaer(3, 4)  # error: attr-defined
