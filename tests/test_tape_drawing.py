"""A tape as a drawing: what stands in the boxes, the way back, what a notebook gets, and the slider in a browser."""

from __future__ import annotations

import gc
import re
import weakref
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from matplotlib.figure import Figure

import minigrad as mg
from minigrad import inspect, nn, ops
from minigrad.engine.tape_boxes import told
from minigrad.engine.tape_page import words
from minigrad.estimators import Mask
from minigrad.plot import tape_graph

DATA = Path(mg.__file__).parent / "data"


def neuron():
    """tanh(w x + b), each value in use."""
    w, b = mg.Tensor(2.0, requires_grad=True, name="w"), mg.Tensor(-1.0, requires_grad=True, name="b")
    with mg.Tape() as tape:
        product = w * 0.5
        total = product + b
        y = total.tanh()
    return tape, [product, total, y]


def random_tape():
    w = mg.Tensor(np.arange(6.0).reshape(2, 3), requires_grad=True, name="w")
    with mg.Tape() as tape:
        y = ops.linear(np.ones((4, 3)), w, vjp=Mask(0.5))
        loss = (y * y).sum()
    return tape, w, y, loss


def test_boxes_hold_values_cotangents_bytes_and_their_place_on_the_way_back():
    tape, (product, total, y) = neuron()
    graph = tape.graph()
    assert [(box.label, box.leaf, box.value, box.cotangent, box.step) for box in graph.boxes] == [
        ("w", True, "2", "0.5", 3), ("b", True, "-1", "1", 2),
        ("0: multiply", False, "1", "1", 3), ("1: add", False, "0", "1", 2), ("2: tanh", False, "0", "1", 1),
    ]  # fmt: skip
    assert (graph.steps, graph.note) == (3, "")
    assert graph.edges == [(0, 2), (2, 3), (1, 3), (3, 4)]
    assert [box.saved for box in graph.boxes] == ["", "", *(f"{node.nbytes} B" for node in tape.nodes)]


def test_cotangents_are_those_of_the_gradients_of_the_same_draw():
    tape, w, y, loss = random_tape()
    for rng in range(5):
        graph = tape.graph(loss, rng=rng)
        gw, gy = tape.gradients(loss, [w, y], rng=rng)
        assert (graph.boxes[0].cotangent, graph.boxes[1].cotangent) == (told(gw), told(gy))
        assert graph.note == f"cotangents of one random draw (rng={rng})"
    assert graph.boxes[1].estimator == "Mask(0.5)"
    assert len({tape.graph(rng=rng).boxes[0].cotangent for rng in range(20)}) > 1


def test_nothing_is_changed_by_looking():
    tape, w, *_ = random_tape()
    tape.shares = shares = {(0, 0): 0.25}  # of a backward pass before
    tape._repr_html_()
    tape.to_html()
    assert w.grad is None and tape.shares is shares


def test_a_node_keeps_no_output():
    w, b = mg.Tensor([2.0, 3.0], requires_grad=True, name="w"), mg.Tensor([-1.0, 1.0], requires_grad=True, name="b")
    with mg.Tape() as tape:
        tensors = [w * 0.5]
        tensors.append(tensors[0] + b)
        tensors.append(tensors[1].tanh())
    nbytes = sum(node.nbytes for node in tape.nodes)
    held = weakref.ref(tensors[1].data)
    assert tape.nodes[1].value is tensors[1].data
    del tensors[:]
    gc.collect()
    assert held() is None and tape.nodes[1].value is None  # a sum is saved by nothing
    assert tape.nodes[2].value is not None  # a tanh saves its output
    assert sum(node.nbytes for node in tape.nodes) == nbytes
    assert [box.value for box in tape.graph().boxes] == ["[2, 3]", "[-1, 1]", "", "", "[0, 0.987]"]


def test_what_hangs_on_nothing_has_no_cotangent():
    w, v = mg.Tensor(2.0, requires_grad=True, name="w"), mg.Tensor(3.0, requires_grad=True, name="v")
    with mg.Tape() as tape:
        aside = v.exp()
        y = w * w
    boxes = tape.graph(y).boxes
    assert [box.cotangent for box in boxes] == ["", "4", "", "1"] and boxes[2].step is None
    assert [box.cotangent for box in tape.graph(aside).boxes][:2] == [told(aside.data), ""]


@pytest.mark.parametrize(
    "values, text",
    [
        (np.array(2.0), "2"), (np.array([1.0, 2.0, 3.0]), "[1, 2, 3]"), (np.arange(4.0), "0 … 3"),
        (np.zeros((2, 2)), "all 0"), (np.array([]), "empty"), (np.array([np.nan]), "[nan]"),
        (np.array([[1e-9, 2e9], [0, 1]]), "0 … 2e+09"),
    ],
)  # fmt: skip
def test_values_in_a_few_words(values, text):
    assert told(values) == text


def refusals():
    w = mg.Tensor(np.ones(2), requires_grad=True)
    with mg.Tape() as vector:
        w * 2
    with mg.Tape() as stale:
        w.sum()
    w.version += 1
    return {"cotangents from any tensor": vector, "was changed in place": stale, "nothing was recorded": mg.Tape()}


@pytest.mark.parametrize("words", refusals())
def test_where_there_is_no_way_back_it_is_said_why(words):
    tape = refusals()[words]
    graph = tape.graph()
    assert words in graph.note and graph.steps == 0 and not any(box.cotangent for box in graph.boxes)
    assert words in tape._repr_html_() and "<input" not in tape._repr_html_()


def test_a_tape_that_records_is_drawn_without_cotangents():
    w = mg.Tensor(2.0, requires_grad=True)
    with mg.Tape() as tape:
        y = w * w
        assert "after the block has ended" in tape._repr_html_()
        z = y * w
    assert tape.gradients(z, [w])[0] == 12.0  # looking was not taking a gradient


def test_a_long_tape_is_a_table_in_a_notebook():
    w = mg.Tensor(1.0, requires_grad=True)
    with mg.Tape() as tape:
        y = w
        for _ in range(200):
            y = y * 1.0
    assert tape._repr_html_().startswith("<table>") and "<svg" in tape.to_html()


class Reader(HTMLParser):
    VOID: ClassVar = {"meta", "input", "rect", "path"}

    def __init__(self, text):
        super().__init__()
        self.open, self.found = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))


def test_the_page_is_well_formed_and_asks_for_nothing():
    w = mg.Tensor(np.eye(3), requires_grad=True, name='<script>alert("w")</script>')
    with mg.Tape() as tape:
        loss = nn.mlp((3, 4, 2), rng=0)(w).sum()
    text = tape.to_html(loss)
    page = Reader(text)
    assert not page.open
    tags = [tag for tag, _ in page.found]
    assert tags.count("script") == 1 and tags.count("g") == len(tape.leaves) + len(tape.nodes)
    assert not re.search(r"https?:|src=|@import|url\(", text)
    assert {"role", "aria-label"} <= dict(page.found)["svg"].keys() and "aria-label" in dict(page.found)["input"]


def test_style_and_script_are_few_kilobytes():
    assert sum((DATA / f"tape.{end}").stat().st_size for end in ("css", "js")) < 4000


def test_a_box_has_a_line_for_an_estimator_only_where_there_is_one():
    tape, _, _, loss = random_tape()
    lines = [words(box) for box in tape.graph(loss).boxes]
    assert sum(kind == "estimator" for box in lines for kind, _ in box) == 1
    assert all(text for box in lines for _, text in box)


def test_the_page_has_the_tape_for_a_title():
    tape, [_, _, y] = neuron()
    title = re.search("<title>(.*)</title>", tape.to_html(y))
    assert title and f"<{title[1]}>" == repr(tape)


def test_a_picture_with_values_and_some_steps():
    tape, tensors = neuron()
    found = []
    for steps in (0, 1, 2, 3, None):
        ax = tape_graph(tape, Figure().subplots(), values=True, y=tensors[-1], steps=steps)
        found.append([text.get_text().split("∂")[1:] != [] for text in ax.texts])
        framed = [box.get_linewidth() for box in ax.patches if hasattr(box, "get_boxstyle")]
        assert framed.count(3.0) == (1 if steps else 0)
    assert found == [
        [False, False, False, False, False], [False, False, False, False, True], [False, True, False, True, True],
        [True, True, True, True, True], [True, True, True, True, True],
    ]  # fmt: skip
    assert ax.texts[0].get_text() == "w\n()\n= 2\n∂ 0.5"
    assert tape_graph(tape, Figure().subplots()).texts[0].get_text() == "w\n()"


def test_pictures_of_a_backward_pass_that_cannot_be_taken_raise():
    tape, _ = neuron()
    with pytest.raises(mg.TapeError, match="requires no gradient|was not recorded"):
        tape_graph(tape, Figure().subplots(), y=mg.Tensor(1.0))


def test_inspection_leaves_values_alone():
    tape, w, y, loss = random_tape()
    before = [node.value for node in tape.nodes]
    inspect.variance(tape, loss, draws=3, rng=0)
    assert all(now is then for now, then in zip([node.value for node in tape.nodes], before, strict=True))


@pytest.mark.slow
def test_the_slider_goes_back_through_the_tape_by_mouse_and_by_keyboard(browser, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    tape, _ = neuron()
    (tmp_path / "tape.html").write_text(tape.to_html() + tape._repr_html_(), encoding="utf-8")  # two on one page
    browser.get((tmp_path / "tape.html").as_uri())
    for drawing in browser.find_elements(By.CSS_SELECTOR, ".minigrad-tape"):
        slider = drawing.find_element(By.TAG_NAME, "input")
        output = drawing.find_element(By.TAG_NAME, "output")
        back, on = drawing.find_elements(By.TAG_NAME, "button")

        def shown(drawing=drawing):
            return [each.text for each in drawing.find_elements(By.CSS_SELECTOR, ".back") if each.is_displayed()]

        assert slider.is_displayed() and len(shown()) == 5 and not on.is_enabled()
        slider.send_keys(Keys.HOME)
        assert shown() == [] and output.text == "forward pass done" and not back.is_enabled()
        slider.send_keys(Keys.ARROW_RIGHT)
        assert shown() == ["cotangent 1"] and output.text == "back, 1 of 3: 2: tanh"
        on.click()
        assert output.text == "back, 2 of 3: 1: add" and sorted(shown()) == ["cotangent 1"] * 2 + ["gradient 1"]
        on.send_keys(Keys.ENTER)
        assert len(shown()) == 5 and "gradient 0.5" in shown()
        back.click()
        assert len(shown()) == 3
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_drawing_can_be_read_in_light_and_in_dark(browser, tmp_path, scheme):
    tape, _ = neuron()
    (tmp_path / "tape.html").write_text(tape.to_html(), encoding="utf-8")
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    try:
        browser.get((tmp_path / "tape.html").as_uri())
        asked = "return getComputedStyle(document.querySelector('.minigrad-tape .{}')).{}"
        text = browser.execute_script(asked.format("label", "fill"))
        cotangent = browser.execute_script(asked.format("back", "fill"))
        line = browser.execute_script(asked.format("line.now", "stroke"))
        ground = (255, 255, 255) if scheme == "light" else (18, 18, 18)  # Chromium's canvas
        for colour, least in ((text, 7), (cotangent, 7), (line, 3)):
            assert contrast(tuple(map(int, re.findall(r"\d+", colour)[:3])), ground) > least
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def contrast(a, b):
    """The ratio of WCAG 2.2."""

    def luminance(colour):
        parts = [c / 255 for c in colour]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)
