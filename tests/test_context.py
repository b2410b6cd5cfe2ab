"""Which tape records and which layer is computed: nested, after errors, and in threads."""

from __future__ import annotations

import threading

import pytest

import minigrad as mg
from minigrad.engine.context import current_layer, current_tape, inside_layer


def test_the_current_tape_is_the_innermost():
    w = mg.Tensor([1.0], requires_grad=True)
    with mg.Tape() as outer:
        w.exp()
        with mg.Tape() as inner:
            assert current_tape() is inner
            mg.Tensor([1.0], requires_grad=True).tanh()
        assert current_tape() is outer
        w.sin()
    assert current_tape() is None
    assert [n.name for n in outer.nodes] == ["exp", "tanh", "sin"] and [n.name for n in inner.nodes] == ["tanh"]


def test_an_error_leaves_nothing_behind():
    with pytest.raises(ZeroDivisionError), mg.Tape(), inside_layer("a"):
        raise ZeroDivisionError
    assert current_tape() is None and current_layer() == ""


def test_layers_nest():
    with inside_layer("a"):
        with inside_layer(""):
            assert current_layer() == "a"
        with inside_layer("0"), inside_layer("w"):
            assert current_layer() == "a.0.w"
        assert current_layer() == "a"


def test_nodes_bear_the_layer():
    w = mg.Tensor([1.0], requires_grad=True)
    with mg.Tape() as tape, inside_layer("body"), inside_layer("3"):
        w.exp()
    assert tape.nodes[0].label == "body.3/exp"


def test_threads_do_not_see_each_other():
    w = mg.Tensor([1.0], requires_grad=True)
    barrier = threading.Barrier(4, timeout=30)
    wrong = []

    def work(number):
        if current_tape() is not None or current_layer():
            wrong.append(number)
        barrier.wait()
        with mg.Tape() as tape, inside_layer(str(number)):
            barrier.wait()
            for _ in range(number + 1):
                w.exp()
            barrier.wait()
        if [node.layer for node in tape.nodes] != [str(number)] * (number + 1):
            wrong.append(number)

    with mg.Tape() as own, inside_layer("main"):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong and not own.nodes
