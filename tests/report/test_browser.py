"""The page in a real browser: it draws, slides and answers to keys, asks nobody for anything and runs nothing it was told."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixsearch.report.html import write_report

FLAGS = ("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run")
QUIET_FLAGS = ("--disable-background-networking", "--disable-component-update", "--disable-sync")
pytestmark = pytest.mark.slow
FRONT = "#plot-front-0"


def find_browser() -> str | None:
    named = os.environ.get("PIXSEARCH_CHROMIUM")
    found = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome"))
    return named or next((path for path in found if path), None)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; `pip install playwright`")
    program = find_browser()
    if program is None:
        pytest.skip("There is no Chromium here. Install one (`apt-get install chromium`) or name it in $PIXSEARCH_CHROMIUM.")
    with playwright.sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=program, args=[*FLAGS, *QUIET_FLAGS])
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def report(recorded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("page") / "demo"
    shutil.copytree(recorded / "demo", run)
    return write_report(run)


def wait_until(page: Any, condition: str, tries: int = 200) -> None:
    """Playwright's own waiting evaluates text within the page, which the page's policy forbids."""
    for _ in range(tries):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"never came true: {condition}")


class Visit:
    """An open page with all it asked for and all it complained of."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.page = self.context.new_page()
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(path.as_uri())
        wait_until(self.page, "[...document.querySelectorAll('.canvas')].every(canvas => canvas.querySelector('.main-svg'))")


@pytest.fixture(scope="module")
def visit(browser: Any, report: Path) -> Iterator[Visit]:
    visit = Visit(browser, report, viewport={"width": 1280, "height": 900}, color_scheme="light")
    yield visit
    visit.context.close()


@pytest.fixture
def page(visit: Visit) -> Any:
    return visit.page


def clip(page: Any) -> str:
    return str(page.eval_on_selector(".over", "image => image.style.clipPath"))


def test_it_opens_from_disk_without_complaint_or_request(visit: Visit) -> None:
    assert visit.complaints == []
    assert [url for url in visit.requests if not url.startswith(("file:", "data:", "blob:"))] == []
    assert visit.page.evaluate("performance.getEntriesByType('resource').filter(e => !/^(file|data|blob):/.test(e.name)).length") == 0


def test_no_button_sends_anything_away(page: Any) -> None:
    page.hover(FRONT)
    titles = page.eval_on_selector_all(".modebar-btn", "all => all.map(one => one.getAttribute('data-title') || one.ariaLabel)")
    assert titles
    assert not [title for title in titles if any(word in title.lower() for word in ("share", "cloud", "studio", "edit"))]


def test_hostile_names_are_shown_and_not_run(page: Any) -> None:
    assert page.evaluate("window.hacked") is None
    assert page.evaluate("document.querySelectorAll('img[src=x]').length") == 0
    assert "<script>window.hacked=1</script>" in page.inner_text("#photos")


def test_the_page_itself_cannot_be_made_to_ask_anybody(visit: Visit) -> None:
    blocked = visit.page.evaluate("fetch('http://127.0.0.1:9/').then(() => 'sent', error => String(error))")
    assert "TypeError" in blocked
    assert any("Content Security Policy" in said for said in visit.complaints)
    visit.complaints.clear()


def test_the_front_is_drawn_and_its_hover_shows_the_genotype(page: Any) -> None:
    texts = page.eval_on_selector(FRONT, "plot => plot.data.find(trace => trace.name === 'front').hovertext")
    assert len(texts) > 3
    assert all("conv3 width" in text and "skip bicubic" in text for text in texts)
    page.eval_on_selector(
        FRONT, "plot => Plotly.Fx.hover(plot, [{curveNumber: plot.data.findIndex(t => t.name === 'knee'), pointNumber: 0}])"
    )
    shown = page.text_content(f"{FRONT} .hoverlayer")
    assert "layers 1: conv3 width" in shown
    assert "skip <i>bicubic</i>" in shown
    assert "MACs 720p" in shown


def test_clicking_an_id_keeps_its_genotype(page: Any) -> None:
    wanted = page.inner_text(".pick >> nth=2")
    page.click(".pick >> nth=2")
    kept = page.inner_text("#picked")
    assert wanted in kept
    assert "layers 1: conv3" in kept
    assert f"--pick {wanted}" in kept


def test_clicking_a_mark_keeps_its_genotype(page: Any) -> None:
    page.locator(FRONT).scroll_into_view_if_needed()
    box = page.locator(f"{FRONT} .scatterlayer .trace:last-child .point").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    knee = page.eval_on_selector(FRONT, "plot => plot.data.find(trace => trace.name === 'knee').customdata[0]")
    wait_until(page, f"document.querySelector('#picked h3')?.textContent === '{knee}'")


def test_the_slider_moves_by_key_and_by_drag(page: Any) -> None:
    page.focus(".slide")
    before = clip(page)
    page.keyboard.press("ArrowRight")
    by_key = clip(page)
    assert by_key != before
    assert page.get_attribute(".slide", "aria-valuetext").endswith("float")
    page.locator(".stage").scroll_into_view_if_needed()
    box = page.locator(".stage").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 60)
    page.mouse.up()
    assert clip(page) != by_key
    assert 24 <= float(page.input_value(".slide")) <= 26
    assert page.eval_on_selector(".divider", "line => line.style.left").startswith("25")


def test_left_and_right_may_be_any_picture(page: Any) -> None:
    labels = page.eval_on_selector_all(".pick-left option", "all => all.map(one => one.value)")
    assert labels == ["input", "bicubic", "3fa9c2d1 float", "3fa9c2d1 pruned", "3fa9c2d1 pruned int8", "truth"]
    sources = []
    for label in labels:
        page.select_option(".pick-left", label)
        sources.append(page.get_attribute(".over", "src"))
        assert label in page.inner_text(".corner.left")
    assert len(set(sources)) == len(labels)
    page.select_option(".pick-right", "truth")
    assert page.get_attribute(".under", "src") == sources[-1]
    page.select_option(".pick-left", "input")
    page.click(".swap")
    assert (page.input_value(".pick-left"), page.input_value(".pick-right")) == ("truth", "input")


def test_every_crop_can_be_chosen_and_a_tile_goes_to_the_right(page: Any) -> None:
    first = page.get_attribute(".under", "src")
    page.check(".crop-choice input >> nth=2", force=True)
    assert page.get_attribute(".under", "src") != first
    assert page.locator(".strip:visible").count() == 1
    page.click(".strip:visible .tile >> nth=3")
    assert page.input_value(".pick-right") == "3fa9c2d1 pruned"


def test_zoom_shows_whole_pixels(page: Any) -> None:
    page.select_option(".zoom", "3")
    assert page.eval_on_selector(".frame", "frame => frame.style.width") == "384px"
    page.select_option(".zoom", "fit")
    assert page.eval_on_selector(".under", "image => getComputedStyle(image).imageRendering") == "pixelated"


def test_tables_are_there_with_their_figures(page: Any) -> None:
    assert page.locator("table").count() >= 9
    row = page.inner_text("#summary tbody tr >> nth=1")
    for figure in ("3fa9c2d1 float", "33.12", "+2.05", "[+1.84, +2.29]", ".9306", "2.21 G", "9.6 K", "41.2 KB", "78.0", "81.1"):
        assert figure in row
    assert page.locator("#bench table").count() == 3


def test_figures_follow_the_theme(page: Any) -> None:
    def colour() -> Any:
        return page.eval_on_selector(FRONT, "plot => [plot.layout.font.color, getComputedStyle(document.body).color]")

    light = colour()
    page.click("#theme")
    dark = colour()
    assert light != dark
    assert light[0] != dark[0]
    page.emulate_media(color_scheme="dark")
    page.click("#theme")
    assert colour() == light
    page.emulate_media(color_scheme="light")


def test_nothing_sticks_out_of_a_narrow_page_nor_of_one_that_is_resized(browser: Any, report: Path) -> None:
    visit = Visit(browser, report, viewport={"width": 400, "height": 800}, color_scheme="dark", has_touch=True)
    for width in (400, 1280, 700):
        visit.page.set_viewport_size({"width": width, "height": 800})
        wait_until(visit.page, f"document.documentElement.scrollWidth === {width}")
        wait_until(
            visit.page,
            f"[...document.querySelectorAll('.main-svg')].every(plot => plot.getBoundingClientRect().right <= {width})",
        )
    assert visit.complaints == []
    visit.context.close()


def test_without_scripts_tables_and_pictures_remain(browser: Any, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    assert page.locator(".tile img:visible").count() == 36
    assert not page.locator(".viewer").is_visible()
    assert "33.12" in page.inner_text("#summary")
    context.close()
