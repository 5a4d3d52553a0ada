"""The report in a browser: whole without a network, alive, readable and accessible."""

import importlib.util
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

REPORT = Path(os.environ["REPORT"])
WIDTHS = (1280, 400)


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService("/usr/bin/chromedriver"))
    driver.set_page_load_timeout(60)
    yield driver
    driver.quit()


@pytest.fixture(params=WIDTHS)
def page(browser: webdriver.Chrome, request: pytest.FixtureRequest) -> webdriver.Chrome:
    """The report at one width, the network off."""
    browser.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    metrics = {"width": request.param, "height": 900, "deviceScaleFactor": 1, "mobile": False}
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


def test_each_choice_changes_the_curves(page: webdriver.Chrome) -> None:
    changed = []
    for name in ("dataset", "model", "scope", "optimizer"):
        page.get(REPORT.as_uri())
        select = Select(page.find_element(By.CSS_SELECTOR, f"#choices [name={name}]"))
        before, first = curve(page), select.first_selected_option.get_attribute("value")
        others = [one.get_attribute("value") for one in select.options]
        for value in [one for one in others if one != first][:1]:
            select.select_by_value(value)
            assert curve(page) != before, f"{name}: {value}"
            changed.append(name)
    assert len(changed) >= 2


def test_a_point_is_read_by_keyboard(page: webdriver.Chrome) -> None:
    points = page.find_elements(By.CSS_SELECTOR, "#plot .point")
    assert points
    page.execute_script("arguments[0].focus()", points[0])
    text = page.find_element(By.ID, "reading").text
    assert re.search(
        r"Learning rate [\d.]+, noise level [\d.]+: [\d.]+ %, .*; \d+ draws, \d+ seeds?; "
        r"results/\S+/eta-[\d.]+\.h5, array accuracy",
        text,
    ), text
    page.switch_to.active_element.send_keys(Keys.TAB)
    assert page.find_element(By.ID, "reading").text != text


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
