"""The report in a real browser: Chromium, headless, at the size of a desk and of a phone."""

import shutil

import pytest

from pipeline.report.page import write_report
from tests.pipeline.report.report_build import HOSTILE, QUERIES, hostile_build, hostile_run

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium: .ci/chromium installs it")

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
VIEWS = [(width, colours) for width in (1280, 390) for colours in ("light", "dark")]
CONTRAST = """
(node) => {
  const ground = (one) => {
    const found = getComputedStyle(one).backgroundColor;
    return found !== "rgba(0, 0, 0, 0)" || !one.parentElement ? found : ground(one.parentElement);
  };
  const light = (colour) => {
    const [r, g, b] = colour.match(/[0-9.]+/g).slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const style = getComputedStyle(node);
  const ink = node instanceof SVGElement ? style.fill : style.color;
  const [low, high] = [light(ink), light(ground(node))].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
}
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    build = hostile_build(tmp_path_factory.mktemp("wit"))
    return write_report(build, hostile_run(build.parent / "run"))


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=VIEWS, ids=lambda view: f"{view[0]}-{view[1]}")
def page(request, browser, report):
    """The open page; at the end of a test it has said nothing and has asked for nothing."""
    width, colours = request.param
    opened = browser.new_page(viewport={"width": width, "height": 844}, color_scheme=colours)
    said, asked = [], []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("dialog", lambda dialog: said.append(dialog.message))
    opened.on("request", lambda one: asked.append(one.url))
    opened.goto(report.as_uri())
    yield opened
    opened.close()
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]


def test_every_chart_and_every_picture_is_drawn(page):
    wide = page.viewport_size["width"] > 640
    names = ("losses", "funnel", "pairs_per_query", "query_shares", "image_sides", "rounds")
    for name in names:
        drawing = page.locator(f"#chart-{name} .{'wide' if wide else 'narrow'} svg")
        box = drawing.bounding_box()
        assert box is not None, name
        assert box["width"] > 300
        assert box["height"] > 150
        assert drawing.locator("path").count() > 5
        other = page.locator(f"#chart-{name} .{'narrow' if wide else 'wide'} svg")
        assert other.bounding_box() is None
    pictures = page.locator("img")
    assert pictures.count() == len(HOSTILE) + 3
    assert pictures.evaluate_all("all => all.every((one) => one.naturalWidth > 0)")


def test_strangers_words_are_shown_as_text_and_break_nothing(page):
    shown = page.locator("#gallery .caption").all_text_contents()
    assert shown == [caption.replace("\x00", "") for caption in HOSTILE]
    assert page.locator("script").count() == 1
    assert page.locator("main b, main i, main u").count() == page.locator("summary b").count()
    room = page.evaluate("document.documentElement.scrollWidth")
    assert room <= page.viewport_size["width"]
    heights = page.locator("#gallery figure").evaluate_all("all => all.map((a) => a.offsetHeight)")
    assert max(heights) < 700


def test_the_search_box_shows_the_samples_of_a_query_and_says_how_many(page):
    figures = page.locator("#gallery figure")
    box, said = page.get_by_role("searchbox", name="Query"), page.locator("#found")
    assert said.text_content() == "8 of 8 shown"
    box.fill("RED ho")
    assert said.text_content() == "2 of 8 shown"
    visible = [one for one in range(figures.count()) if figures.nth(one).is_visible()]
    assert visible == [0, 4]
    box.press("Enter")
    box.fill("no such query")
    assert said.text_content() == "0 of 8 shown"
    box.fill("")
    assert said.text_content() == "8 of 8 shown"


def test_a_click_on_a_query_searches_for_it(page):
    page.get_by_role("button", name=QUERIES[2]).first.click()
    assert page.get_by_role("searchbox").input_value() == QUERIES[2]
    assert page.locator("#found").text_content() == "2 of 8 shown"


def test_words_stand_out_from_their_ground(page):
    for name in ("p", "dt", "dd", "small", "td", ".caption", "#chart-funnel text", "a", "summary"):
        assert page.locator(name).first.evaluate(CONTRAST) >= 4.5, name


def test_what_a_stranger_might_inject_would_not_run(browser, report, tmp_path):
    """Were a caption ever written unescaped: the policy lets no script but ours run."""
    injected = "<script>ran = 1</script><img src='x:' onerror='ran = 1'><p id='injected'>"
    changed = tmp_path / "report.html"
    changed.write_text(report.read_text().replace("</main>", injected + "</main>"))
    page = browser.new_page()
    page.goto(changed.as_uri())
    assert page.locator("#injected").count() == 1
    assert page.evaluate("typeof ran") == "undefined"
    assert page.locator("#found").text_content() == "8 of 8 shown"
    page.close()


def test_it_prints_all_samples_on_white(browser, report):
    page = browser.new_page(color_scheme="dark")
    page.goto(report.as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    assert not page.locator("#search").is_visible()
    last = page.locator("#gallery figure").last
    gallery = page.locator("#gallery").bounding_box()
    box = last.bounding_box()
    assert box["y"] + box["height"] <= gallery["y"] + gallery["height"] + 1
    assert page.locator("#drops li").first.is_visible()
    assert len(page.pdf()) > 10_000
    page.close()
