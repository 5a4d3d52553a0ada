"""The report in a browser: whole without a network, alive, readable and accessible."""

import base64
import importlib.util
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

REPORT = Path(os.environ["REPORT"])
WIDTHS = (1280, 400)
HEIGHT = 900
# Beside the report, in a folder that git ignores.
PICTURES = REPORT.parent / "screenshots"
CHOICES = ("dataset", "model", "optimizer", "scope")


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
    driver.set_page_load_timeout(60)
    driver.set_script_timeout(300)
    yield driver
    driver.quit()


@pytest.fixture(params=WIDTHS)
def page(browser: webdriver.Chrome, request: pytest.FixtureRequest) -> webdriver.Chrome:
    """The report at one width, the network off."""
    browser.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    metrics = {"width": request.param, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get_log("browser")
    browser.get(REPORT.as_uri())
    return browser


def test_the_page_opens_without_a_network_and_without_an_error(page: webdriver.Chrome) -> None:
    assert page.find_element(By.TAG_NAME, "h1").text.startswith("How does the learning rate")
    assert page.get_log("browser") == []
    asked = page.execute_script(
        "return performance.getEntriesByType('resource').map(one => one.name)"
    )
    assert [one for one in asked if not one.startswith("data:")] == []


def test_every_image_loads_and_has_a_text_in_its_place(page: webdriver.Chrome) -> None:
    images = page.execute_script(
        "return [...document.images].map(one => [one.complete, one.naturalWidth, one.alt])"
    )
    assert len(images) >= 3
    for complete, width, text in images:
        assert complete
        assert width > 100
        assert len(text) > 20
        assert " " in text


def test_the_page_is_no_wider_than_the_window(page: webdriver.Chrome) -> None:
    wide, window = page.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert wide <= window


def test_text_is_not_small(page: webdriver.Chrome) -> None:
    sizes = page.execute_script(
        "return [...document.querySelectorAll('p, li, td, th, caption, figcaption, label')]"
        ".filter(one => one.textContent.trim())"
        ".map(one => parseFloat(getComputedStyle(one).fontSize))"
    )
    assert min(sizes) >= 13


def curve(page: webdriver.Chrome) -> Any:
    return page.execute_script(
        "return [...document.querySelectorAll('#plot polyline')]"
        ".map(one => one.getAttribute('points')).join('|')"
    )


def data(page: webdriver.Chrome) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        page.execute_script("return document.getElementById('explorer-data').textContent")
    )
    return found


def choose(page: webdriver.Chrome, choice: dict[str, Any]) -> None:
    for name in CHOICES:
        select = Select(page.find_element(By.CSS_SELECTOR, f"#choices [name={name}]"))
        select.select_by_value(choice[name])


def test_every_selector_with_several_options_changes_the_curves(page: webdriver.Chrome) -> None:
    curves = data(page)["curves"]
    several = {name for name in CHOICES if len({one[name] for one in curves}) > 1}
    changed = set()
    # Options depend on the choices before them: from each first choice, every other option.
    for start in {tuple(one[name] for name in CHOICES): one for one in curves}.values():
        for name in several - changed:
            choose(page, start)
            select = Select(page.find_element(By.CSS_SELECTOR, f"#choices [name={name}]"))
            before, first = curve(page), select.first_selected_option.get_attribute("value")
            others = [one.get_attribute("value") for one in select.options]
            for value in [one for one in others if one != first]:
                select = Select(page.find_element(By.CSS_SELECTOR, f"#choices [name={name}]"))
                select.select_by_value(value)
                assert curve(page) != before, f"{name}: {value}"
                changed.add(name)
    assert several
    assert changed == several


READING = (
    r"Learning rate [\d.]+, noise level [\d.]+: (-?[\d.]+) %, "
    r"(no interval|95 % interval -?[\d.]+ % to -?[\d.]+ %); (\d+) draws?, \d+ seeds?\."
)


def test_the_mouse_reads_mean_interval_and_draws_from_a_point(page: webdriver.Chrome) -> None:
    points = page.find_elements(By.CSS_SELECTOR, "#plot .point")
    assert points
    expected = {
        (one["learning_rate"], point["noise_level"]): (point["value"], point["draws"])
        for one in data(page)["curves"]
        if all(
            one[name]
            == page.find_element(By.CSS_SELECTOR, f"#choices [name={name}]").get_attribute("value")
            for name in CHOICES
        )
        for point in one["points"]
    }
    page.execute_script("arguments[0].scrollIntoView({block: 'center'})", points[-1])
    ActionChains(page).move_to_element(points[-1]).perform()
    text = page.find_element(By.ID, "reading").text
    found = re.match(READING, text)
    assert found, text
    rate, level = re.findall(r"(?:rate|level) ([\d.]+)", text)[:2]
    value, draws = expected[rate, float(level)]
    assert float(found[1]) == pytest.approx(100 * value, abs=0.051)
    assert int(found[3]) == draws


def test_a_point_is_read_by_keyboard(page: webdriver.Chrome) -> None:
    points = page.find_elements(By.CSS_SELECTOR, "#plot .point")
    page.execute_script("arguments[0].focus()", points[0])
    text = page.find_element(By.ID, "reading").text
    assert re.match(READING, text), text
    page.switch_to.active_element.send_keys(Keys.ENTER)
    link = page.switch_to.active_element
    assert link.tag_name == "a"
    assert link.get_attribute("href").endswith(".h5")
    page.execute_script("arguments[0].focus()", points[0])
    page.switch_to.active_element.send_keys(Keys.TAB)
    assert page.find_element(By.ID, "reading").text != text


def test_every_link_leads_to_a_part_of_the_page_or_to_a_file_that_is_there(
    page: webdriver.Chrome,
) -> None:
    anchors = page.execute_script(
        "return [...document.querySelectorAll('nav a')].map(one => one.getAttribute('href'))"
    )
    assert {"#explorer", "#provenance"} <= set(anchors)
    for one in anchors:
        assert page.find_elements(By.CSS_SELECTOR, one), one
    page.execute_script("document.getElementById('values').open = true")
    shown = page.execute_script(
        "return [...document.querySelectorAll('a:not(nav a)')].map(one => one.getAttribute('href'))"
    )
    assert any(one.endswith(".h5") for one in shown)
    for one in shown:
        assert not one.startswith(("/", "http", "file:")), one
    # A report that was sent alone has no study beside it.
    if (REPORT.parent / "trainings").is_dir():
        assert [one for one in shown if not (REPORT.parent / one).is_file()] == []


def test_what_the_paper_prints_stands_beside_the_curves(page: webdriver.Chrome) -> None:
    found = data(page)
    cells = {tuple(one[name] for name in CHOICES): one for one in found["curves"]}
    for one in cells.values():
        choose(page, one)
        rates = {
            curve["learning_rate"]
            for curve in found["curves"]
            if all(curve[name] == one[name] for name in CHOICES)
        }
        printed = [
            curve
            for curve in found["paper"]
            if all(curve[name] == one[name] for name in CHOICES[:3])
            and curve["learning_rate"] in rates
        ]
        marks = page.find_elements(By.CSS_SELECTOR, "#plot .paper")
        lines = page.find_elements(By.CSS_SELECTOR, "#plot .paper-curve")
        assert len(marks) == sum(len(curve["points"]) for curve in printed)
        assert len(lines) == sum(len(curve["points"]) > 1 for curve in printed)
        said = page.find_element(By.CSS_SELECTOR, ".paper-note").text
        assert ("no curve for this network" in said) == (not lines)


def test_the_answer_and_figure_1_are_seen_without_scrolling_on_a_wide_screen(
    page: webdriver.Chrome,
) -> None:
    sentences = page.find_elements(By.CSS_SELECTOR, "#answer .answer")
    assert len(sentences) == 3
    image = page.find_element(By.CSS_SELECTOR, "#answer img")
    if page.execute_script("return innerWidth") == max(WIDTHS):
        assert image.rect["y"] + image.rect["height"] < HEIGHT
        assert sentences[-1].rect["y"] + sentences[-1].rect["height"] < HEIGHT


def test_the_page_is_photographed(page: webdriver.Chrome) -> None:
    wide = page.execute_script("return innerWidth")
    PICTURES.mkdir(exist_ok=True)
    for name, whole in (("first", False), ("whole", True)):
        shot = page.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": whole})
        picture = base64.b64decode(shot["data"])
        (PICTURES / f"report-{wide}-{name}.png").write_bytes(picture)
        assert picture.startswith(b"\x89PNG")
        assert len(picture) > 20_000


def test_axe_finds_nothing(page: webdriver.Chrome) -> None:
    package = importlib.util.find_spec("axe_playwright_python")
    assert package is not None
    assert package.origin is not None
    page.execute_script(Path(package.origin).with_name("axe.min.js").read_text(encoding="utf-8"))
    found = page.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    violations = [
        (one["id"], one["help"], [node["target"] for node in one["nodes"]][:3])
        for one in found["violations"]
    ]
    assert violations == []
    assert len(found["passes"]) > 15
