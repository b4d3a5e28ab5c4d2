"""The explorer in a real browser: Chromium, headless, from a phone's width to a wide screen's."""

import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.explore.meaning.nearest import make_index
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from tests.embeddings import unit, write_vectors
from tests.pipeline.explore.made_build import (
    CAPTIONS,
    LOST_ID,
    NEAR_ID,
    N,
    explored_build,
    explored_run,
    id_of,
    served,
)
from tests.pipeline.report.test_browser import FLAGS

playwright = pytest.importorskip("playwright.sync_api", reason="pip install playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no chromium: .ci/chromium installs it")

PAGES = [
    *("/", "/?q=cat&source=commons", f"/pair/{id_of(NEAR_ID):016x}", f"/pair/{LOST_ID:016x}"),
    *("/queries", "/query/1", "/dropped", "/sql", "/compare?other=old", "/upload", "/facets"),
    "/?page=x",
    *("/map", "/map?area=3,20,-1,4", "/map?area=x", "/meaning", "/meaning?text="),
    *(
        f"/meaning?like={id_of(NEAR_ID):016x}",
        "/meaning?like=zz",
        "/compare",
        "/none",
        "/selection",
    ),
    *("/?scorer=beauty&order=best", "/?q=nothing-of-it", "/facets?scorer=beauty", "/query/3"),
    *("/dropped?reason=caption_too_short", f"/pair/{5_001:016x}", "/queries?text=e"),
    *(
        "/sql?sql=SELECT+pair_id,+caption+FROM+sample",
        "/sql?sql=SELECT",
        "/sql?q=cat&source=commons",
    ),
]
DARK = [
    *PAGES[1:4],
    "/map?area=3,20,-1,4",
    f"/meaning?like={id_of(NEAR_ID):016x}",
    "/sql?sql=SELECT",
]
REFUSED = ("400 (Bad Request)", "404 (Not Found)")
PLACES = {id_of(n): (float(n), float(n % 7)) for n in range(N)}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    workspace = tmp_path_factory.mktemp("wit")
    explored_build(workspace, "old", range(5, N + 5))
    build = explored_build(workspace)
    with served(build, "--run", mapped(explored_run(workspace / "run"))) as client:
        yield str(client.base_url)


def mapped(run: Path) -> Path:
    """The run with a place of each sample on the map, and an index of made-up embeddings."""
    ids = sorted(PLACES)
    places = [{"pair_id": one, "x": PLACES[one][0], "y": PLACES[one][1]} for one in ids]
    table = pa.Table.from_pylist(places, TABLES["place"].schema)
    write_part(run / "tables" / "place" / "0.parquet", TABLES["place"], table.to_batches())
    vectors = unit(np.random.default_rng(2).normal(size=(N, 16)))
    make_index(write_vectors(run, vectors, ids=np.array(ids)))
    return run


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, address):
    """Opens a page; at the end of a test no page has said anything or asked another server."""
    said, asked, pages = [], [], []

    def open_page(path: str, **options):
        page = browser.new_page(**options)
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("dialog", lambda dialog: said.append(dialog.message))
        page.on("request", lambda one: asked.append(one.url))
        page.goto(address + path.lstrip("/"))
        pages.append(page)
        return page

    yield open_page
    for page in pages:
        page.close()
    assert [words for words in said if not any(status in words for status in REFUSED)] == []
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


@pytest.mark.parametrize(("colours", "paths"), [("light", PAGES), ("dark", DARK)])
def test_no_page_has_a_barrier_that_axe_knows(opened, address, colours, paths):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no package of axe")
    page = opened("/", viewport={"width": 390, "height": 844}, color_scheme=colours)
    barriers = {}
    for path in paths:
        page.goto(address + path.lstrip("/"))
        page.wait_for_load_state("networkidle")
        for fault in axe.Axe().run(page).response["violations"]:
            barriers[path, fault["id"]] = [node["html"][:100] for node in fault["nodes"][:3]]
    assert barriers == {}


@pytest.mark.parametrize("width", [390, 1024, 1920])
def test_no_page_is_wider_than_the_screen(opened, address, width):
    page = opened("/", viewport={"width": width, "height": 844})
    for path in PAGES:
        page.goto(address + path.lstrip("/"))
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_counts_come_by_themselves_and_lead_to_a_narrower_view(opened):
    page = opened("/?q=picture", viewport={"width": 1280, "height": 800})
    page.get_by_role("link", name="crawl", exact=True).click()
    page.wait_for_url("**/?q=picture&source=crawl")
    assert page.get_by_text("Source: crawl").is_visible()
    page.get_by_role("link", name="Remove Source").click()
    page.wait_for_url("**/?q=picture")


def test_a_search_by_keyboard_shows_its_samples(opened):
    page = opened("/", viewport={"width": 1280, "height": 800})
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.get_by_role("searchbox").focus()
    page.keyboard.type('"red house"')
    page.keyboard.press("Enter")
    page.wait_for_url("**/?q=*")
    assert page.locator("#gallery .caption").all_text_contents() == [CAPTIONS[1]]
    assert page.locator("#gallery img").evaluate("one => one.complete && one.naturalWidth > 0")


def test_the_next_page_comes_as_one_scrolls(opened):
    page = opened("/", viewport={"width": 1280, "height": 800})
    figures = page.locator("#gallery figure")
    assert figures.count() == 60
    page.locator(".more").scroll_into_view_if_needed()
    figures.nth(N - 1).wait_for()
    assert figures.count() == N
    assert page.locator(".more").count() == 0


def test_without_scripts_pages_and_selections_work(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    page.get_by_role("link", name="Next page").click()
    figures = page.locator("#gallery figure")
    playwright.expect(figures).to_have_count(N - 60)
    page.locator("#gallery input").first.check()
    page.get_by_role("button", name="Show the selected").click()
    playwright.expect(figures).to_have_count(1)
    page.get_by_role("link", name="Count what is here").click()
    playwright.expect(page.locator("#n-chosen")).to_have_text("1")
    context.close()


def test_a_selection_lasts_from_page_to_page_and_is_taken_along(opened, address):
    page = opened("/?q=cat", viewport={"width": 1280, "height": 800})
    page.locator("#gallery input").first.check()
    page.goto(f"{address}?q=house")
    page.locator("#gallery input").last.check()
    assert page.locator("#selected").text_content() == "2 selected"
    page.get_by_role("button", name="Show the selected").click()
    page.wait_for_url("**/?pairs=*")
    assert page.locator("#gallery figure").count() == 2
    page.get_by_text("Take this view along").click()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="exclusions.csv").click()
    lines = waiting.value.path().read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["kind", "pair_id", "pair_id"]


def test_a_rectangle_drawn_on_the_map_is_a_selection_that_is_taken_along(opened):
    page = opened("/map", viewport={"width": 1280, "height": 1400})
    box = page.locator("#map").bounding_box()
    page.mouse.move(box["x"] + 2, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, box["y"] + box["height"] / 2)
    assert page.locator("#map .brush").count() == 1  # while it is drawn
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] - 2)
    page.mouse.up()
    page.wait_for_url("**/map?area=*")
    area = parse_qs(urlsplit(page.url).query)["area"][0]
    left, right, bottom, top = (float(border) for border in area.split(","))
    chosen = {
        pair_id for pair_id, (x, y) in PLACES.items() if left <= x <= right and bottom <= y <= top
    }
    assert chosen == {id_of(n) for n in range(N // 2)}  # of all heights, and of the left half
    page.get_by_role("link", name=f"Show the {len(chosen)} samples").click()
    page.wait_for_url("**/?area=*")
    assert page.locator("#gallery figure").count() == len(chosen)
    page.get_by_text("Take this view along").click()
    with page.expect_download() as waiting:
        page.get_by_role("link", name="exclusions.csv").click()
    lines = waiting.value.path().read_text().splitlines()[1:]
    assert {int(line.split(",")[1]) for line in lines} == chosen
    with page.expect_download() as waiting:
        page.get_by_role("link", name="pairs.parquet").click()
    assert set(pq.read_table(waiting.value.path())["pair_id"].to_pylist()) == chosen


def test_a_place_on_the_map_that_is_only_touched_chooses_nothing(opened):
    page = opened("/map", viewport={"width": 1280, "height": 1400})
    page.locator("#map").click()
    assert urlsplit(page.url).query == ""


def test_the_map_works_by_its_form_alone(browser, address):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{address}map")
    page.get_by_label("Left, right, bottom, top").fill("9.5,19.5,-1,9")
    page.get_by_role("button", name="Draw").click()
    assert page.get_by_role("link", name="Show the 10 samples").is_visible()
    context.close()


def test_what_a_pair_is_copied_as_leaves_it_out_and_finds_it(browser, address):
    context = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.goto(f"{address}pair/{id_of(NEAR_ID):016x}")
    copied = {}
    for name in ("Copy as exclusion", "Copy as SQL"):
        page.get_by_role("button", name=name).click()
        page.get_by_role("button", name="copied").wait_for()
        copied[name] = page.evaluate("navigator.clipboard.readText()")
        page.get_by_role("button", name=name).wait_for()
    assert copied["Copy as exclusion"].splitlines() == ["kind,value", f"pair_id,{id_of(NEAR_ID)}"]
    page.goto(f"{address}sql")
    page.get_by_role("textbox").fill(copied["Copy as SQL"])
    page.get_by_role("button", name="Ask").click()
    assert page.locator("#n-rows").text_content() == "1 row"
    context.close()


def test_a_caption_is_no_script_and_an_injected_one_would_not_run(browser, address):
    page = browser.new_page()
    page.goto(f"{address}pair/{id_of(0):016x}")
    assert page.title().startswith("Pair")
    assert page.locator("script").count() == 1
    page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=x: onerror=\"ran = 1\"><p id=in>')"
    )
    assert page.locator("#in").count() == 1
    page.wait_for_load_state("networkidle")
    assert page.evaluate("typeof ran") == "undefined"
    page.close()


def test_words_of_ours_are_explained_where_they_stand(opened):
    page = opened(f"/pair/{id_of(1):016x}")
    meaning = page.locator("#match-")
    assert not meaning.is_visible()
    page.get_by_role("button", name="Matches").focus()
    page.keyboard.press("Enter")
    assert meaning.is_visible()
    assert "whole words" in meaning.text_content()


def test_a_question_in_sql_is_answered_and_leads_to_pairs(opened):
    page = opened("/sql")
    page.get_by_role("textbox").fill("SELECT pair_id FROM sample ORDER BY pair_id DESC LIMIT 1")
    page.get_by_role("button", name="Ask").click()
    page.get_by_role("cell").get_by_role("link").click()
    assert page.get_by_text("kept for it").first.is_visible()


def test_a_picture_of_the_build_that_is_sent_finds_itself(opened, address, tmp_path):
    page = opened("/")
    body = page.request.get(f"{address}picture/{id_of(2):016x}").body()
    (tmp_path / "a.jpg").write_bytes(body)
    page.goto(f"{address}upload")
    page.locator("input[type=file]").set_input_files(tmp_path / "a.jpg")
    page.get_by_role("button", name="Search").click()
    assert page.get_by_role("heading", name="Nearest samples").is_visible()
