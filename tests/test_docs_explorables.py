"""The pictures to move, in a browser: by keyboard and by pointer, on a desk and a phone, with the library's numbers."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from site_in_browser import DESKTOP, PHONE, ROOT, load, show

from minigrad import theory

SCRIPTS = {path.stem: load(path) for path in (ROOT / "docs" / "_explorables").glob("*.py")}
PAGES = {
    "cotangent": ["index", "start/explorables"],
    "water": ["start/explorables", "theory/optimal"],
    "depth": ["start/explorables", "theory/depth"],
    "precision": ["start/explorables", "guide/budget"],
}


class Picture:
    """One picture to move on a page that is open, and what it says."""

    def __init__(self, browser: Any, name: str):
        from selenium.webdriver.common.by import By
        from selenium.webdriver.support.ui import WebDriverWait

        self.browser, self.css = browser, By.CSS_SELECTOR
        self.place = browser.find_element(self.css, f'.explorable[data-explorable="{name}"]')
        WebDriverWait(browser, 20).until(lambda _: "ready" in (self.place.get_attribute("class") or ""))

    def all(self, selector: str) -> list[Any]:
        return list(self.place.find_elements(self.css, selector))

    def shown(self, key: str) -> str:
        return str(self.place.find_element(self.css, f'[data-value="{key}"]').text)

    def number(self, key: str) -> float:
        match = re.match(r"-?[\d.]+(e[+-]\d+)?", self.shown(key))
        assert match, (key, self.shown(key))
        return float(match[0])

    def press(self, which: int, *keys: str, among: str = "input[type=range]") -> None:
        """Focus one of the sliders and press keys."""
        slider = self.all(among)[which]
        self.browser.execute_script("arguments[0].focus()", slider)
        for key in keys:
            slider.send_keys(key)

    def says(self, which: int) -> str:
        return str(self.all("output")[which].text)


def opened(browser: Any, site: Path, name: str, page: str = "start/explorables", width: int = DESKTOP) -> Picture:
    show(browser, site / f"{page}.html", width, motion=False)
    return Picture(browser, name)


def same(shown: float, expected: float) -> bool:
    """Whether a number is the expected one to the three digits that are shown."""
    return shown == pytest.approx(expected, rel=6e-3, abs=1e-9)


@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_each_is_small_and_asks_for_nothing(site: Path, name: str) -> None:
    text = (site / "_static" / "explorables" / f"{name}.js").read_text(encoding="utf-8")
    assert len(text) < 7_000
    assert not re.search(r"https?:|import\b|fetch\(|XMLHttpRequest", text.replace("http://www.w3.org/2000/svg", ""))
    for page in PAGES[name]:
        html = (site / f"{page}.html").read_text(encoding="utf-8")
        assert f'data-explorable="{name}"' in html and f"explorables/{name}.js" in html
    assert f"explorables/{name}.js" not in (site / "start/install.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
@pytest.mark.parametrize("name", sorted(SCRIPTS))
def test_each_is_moved_by_the_arrow_keys(site: Path, browser: Any, name: str, width: int) -> None:
    from selenium.webdriver.common.keys import Keys

    for page in PAGES[name]:
        picture = opened(browser, site, name, page, width)
        for which, slider in enumerate(picture.all("input[type=range]")):
            before = picture.says(which), [cell.text for cell in picture.all("dd")]
            picture.press(which, Keys.ARROW_RIGHT)
            after = picture.says(which), [cell.text for cell in picture.all("dd")]
            assert before[0] != after[0] and before[1] != after[1], (page, which)
            assert slider.accessible_name and slider.get_attribute("aria-valuetext") == after[0]


def test_the_first_screen_has_a_slider(site: Path, browser: Any) -> None:
    for width in (DESKTOP, PHONE):
        picture = opened(browser, site, "cotangent", "index", width)
        assert picture.all("input[type=range]")[0].rect["y"] + 20 < 900, f"a stranger must scroll at {width}"


# A cotangent


@pytest.mark.parametrize("method", sorted(SCRIPTS["cotangent"].ESTIMATORS))
@pytest.mark.parametrize("budget", [0.1, 0.25, 0.6])
def test_a_cotangent_has_the_distortion_of_the_library(site: Path, browser: Any, method: str, budget: float) -> None:
    from selenium.webdriver.common.keys import Keys

    script = SCRIPTS["cotangent"]
    picture = opened(browser, site, "cotangent")
    next(e for e in picture.all("input[type=radio]") if e.get_attribute("value") == method).click()
    at = script.BUDGETS.index(budget)
    picture.press(0, Keys.HOME, *at * [Keys.ARROW_RIGHT])
    assert picture.says(0) == f"{100 * budget:.0f} %"

    g = script.cotangent()
    shares = np.sum(g**2, axis=0) / np.sum(g**2)
    estimator = script.ESTIMATORS[method](budget)
    expected, p = estimator.distortion(g) / np.sum(g**2), estimator.probabilities(g)
    assert same(picture.number("closed"), expected)

    # One column's squared error over its square is (1/p - 1)² with probability p and 1 otherwise; columns are
    # independent. The draws begin at one seed, so nothing here can fail by chance; 4 standard errors are allowed.
    assert picture.shown("draws") == "500"
    p, w = p[shares > 0], shares[shares > 0]
    spread = np.sqrt(np.sum(w**2 * ((1 - p) ** 4 / p**3 + (1 - p) - ((1 - p) / p) ** 2)) / 500)
    assert abs(picture.number("measured") - expected) < 4 * spread + 0.005 * expected
    assert 0.5 < picture.number("off") / (100 * np.sqrt(expected / 500)) < 1.5
    kept, spread = int(picture.number("kept")), np.sqrt(np.sum(p * (1 - p)))
    assert abs(kept - p.sum()) <= 4 * spread and picture.shown("kept").endswith(f"of {g.shape[1]}")


def test_the_mean_of_the_draws_comes_to_the_cotangent(site: Path, browser: Any) -> None:
    picture = opened(browser, site, "cotangent")
    distance = """
    const [exact, , mean] = [...arguments[0].querySelectorAll('canvas')].map(
      c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data);
    return exact.reduce((sum, v, i) => sum + Math.abs(v - mean[i]), 0) / exact.length;
    """
    many = browser.execute_script(distance, picture.place)
    again = next(e for e in picture.all("button") if e.text == "one more draw")
    again.click()
    assert picture.shown("draws") == "501"
    assert 0 < many < 4, "of 255, on average over the pixels"


def test_a_cotangent_moves_and_comes_to_rest_by_itself(site: Path, browser: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    show(browser, site / "index.html", DESKTOP, "dark")
    picture = Picture(browser, "cotangent")
    WebDriverWait(browser, 30).until(lambda _: picture.shown("draws") == "500")


# The level of the water


def heights(picture: Picture) -> list[float]:
    return [float(bar.get_attribute("aria-valuenow")) for bar in picture.all(".bar")]


def assert_filled(picture: Picture) -> None:
    norms, kept = heights(picture), float(picture.says(0).split()[0])
    solved = SCRIPTS["water"].solved(norms, kept)
    shown = [float(chance.text) for chance in picture.all("[data-probability]")]
    assert shown == pytest.approx(solved["probabilities"], abs=0.0051)
    assert picture.number("always") == sum(p == 1 for p in solved["probabilities"])
    if solved["level"] is None:
        assert picture.shown("level") == "none"
    else:
        assert same(picture.number("level"), solved["level"])
    assert same(picture.number("best"), solved["best"]) and same(picture.number("uniform"), solved["uniform"])


def test_water_finds_the_level_of_the_library(site: Path, browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    picture = opened(browser, site, "water")
    assert heights(picture) == SCRIPTS["water"].NORMS
    assert_filled(picture)
    for which, keys in [(2, 8 * [Keys.ARROW_UP]), (7, [Keys.END]), (0, [Keys.HOME]), (1, [Keys.PAGE_DOWN])]:
        before = heights(picture)[which]
        picture.press(which, *keys, among=".bar")
        assert heights(picture)[which] != before
        assert_filled(picture)
    for keys in [[Keys.HOME], 5 * [Keys.ARROW_RIGHT], [Keys.END]]:
        picture.press(0, *keys)
        assert_filled(picture)


@pytest.mark.parametrize("width", [DESKTOP, PHONE])
def test_a_column_is_dragged(site: Path, browser: Any, width: int) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    picture = opened(browser, site, "water", width=width)
    bar = picture.all(".bar")[5]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", bar)
    before = heights(picture)
    ActionChains(browser).move_to_element(bar).click_and_hold().move_by_offset(0, -30).release().perform()
    after = heights(picture)
    assert after[5] > before[5] and after[:5] + after[6:] == before[:5] + before[6:]
    assert_filled(picture)


# Noise through depth


def test_depth_shows_what_the_library_measures(site: Path, browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    script = SCRIPTS["depth"]
    picture = opened(browser, site, "depth")
    for layers, budget, total in [(1, 0.5, 1.0), (4, 0.3, 0.5)]:
        for which, (value, values) in enumerate(
            [(layers, script.LAYERS), (budget, script.BUDGETS), (total, script.TOTALS)]
        ):
            picture.press(which, Keys.HOME, *values.index(value) * [Keys.ARROW_RIGHT])
        fixed = script.measured(layers, script.DiagonalSketch(budget))
        shared = script.measured(layers, script.DiagonalSketch(distortion=script.per_layer(total, layers)))
        assert same(picture.number("budgetnoise"), fixed["noise"])
        assert same(picture.number("totalnoise"), shared["noise"])
        assert same(picture.number("mask"), budget**-layers - 1)
        assert picture.number("budgetkept") == round(100 * budget)
        assert picture.number("totalkept") == pytest.approx(100 * shared["kept"], abs=0.51)


def test_what_the_page_says_of_depth_is_so() -> None:
    numbers = SCRIPTS["depth"].numbers()
    for row in numbers["budgets"]:
        noise = [m["noise"] for m in row["measured"]]
        told = [x for x in noise if x is not None]
        assert noise[: len(told)] == told and len(told) >= 6, "only the deepest may be too wild"
        assert told == sorted(told) and told[-1] > 10 * told[0]
    for row in numbers["totals"]:
        assert all(m["noise"] == pytest.approx(row["total"], rel=0.35) for m in row["measured"])
        assert row["measured"][-1]["kept"] > 1.2 * row["measured"][0]["kept"]


# The cost of a precision


def test_precision_advises_what_the_library_advises(site: Path, browser: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    script = SCRIPTS["precision"]
    names = list(script.START)
    picture = opened(browser, site, "precision")
    answers = set()
    moves = [{}, {"c1": 16.0}, {"sigma2": 0.2}, {"sigma2": 32.0, "b": 0.1}, {"c0": 32.0}]
    asked = dict(script.START)
    for changed in moves:
        for name, value in changed.items():
            picture.press(names.index(name), Keys.HOME, *script.VALUES.index(value) * [Keys.ARROW_RIGHT])
        asked |= changed
        advice = theory.optimal_budget(asked["c0"], asked["c1"], a=asked["sigma2"] - asked["b"], b=asked["b"])
        assert same(picture.number("budget"), advice.budget) and same(picture.number("ratio"), advice.cost_ratio)
        assert picture.shown("advice").startswith("sketch at" if advice.worth_it else "do not sketch")
        answers.add(advice.worth_it)
    assert answers == {True, False}
