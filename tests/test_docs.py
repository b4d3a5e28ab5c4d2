"""The docs name files and functions; all of them exist."""

import re

import pytest

from tests import ROOT, settings_page

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
ROOMS = "pipeline|trainer|queries|tests|benchmarks|docs"
PLACE = re.compile(rf"`((?:{ROOMS})/[\w/.-]+\.\w+)`(?: \(((?:`\w+`(?:, )?)+)\))?")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)(?:#[\w-]+)?\)")


def places() -> list[tuple[str, str, list[str]]]:
    """(page, path, names) of every file that a page names, with what it says is in it."""
    return [
        (page.name, path, re.findall(r"\w+", names))
        for page in PAGES
        for path, names in PLACE.findall(page.read_text())
    ]


def test_every_file_that_the_docs_name_is_there():
    assert [(page, path) for page, path, _ in places() if not (ROOT / path).is_file()] == []


def test_every_name_that_the_docs_place_in_a_file_is_defined_there():
    named = [(path, name) for _, path, names in places() for name in names]
    assert len(named) > 40, "docs/papers.md alone has as many"
    missing = [
        (path, name)
        for path, name in named
        if not re.search(rf"(def|class) {name}\b|\b{name}\b.* =", (ROOT / path).read_text())
    ]
    assert missing == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_of_a_page_leads_somewhere(page):
    led = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert led == []


def test_the_reference_of_settings_is_drawn_from_the_models():
    assert settings_page.PAGE.read_text() == settings_page.page()
