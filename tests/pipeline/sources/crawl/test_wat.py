"""What the parser passes over: records of WAT files read as if all of their JSON were."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.sources.crawl import wat
from pipeline.sources.crawl.wat import metadata, plain_metadata, wat_pictures

PAGE = "http://site.example/news/"
TEXT = st.sampled_from(
    ["", "kite", "IMG@/src", "A@/href", 'a "b" \\ {', "é\ud800", "a&amp;b", "/a"]
)
VALUE = st.recursive(
    TEXT | st.none() | st.booleans() | st.integers() | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=4,
)
FIELDS = ("path", "url", "href", "alt", "title", "rel", "text")
LINK = st.fixed_dictionaries(
    {"path": st.sampled_from(["IMG@/src", "IMG@/data-src", "A@/href", "IMG@/"]), "url": TEXT},
    optional={**dict.fromkeys(("alt", "title", "rel"), TEXT), "text": VALUE},
)
ANY_LINK = LINK | st.dictionaries(st.sampled_from(FIELDS), VALUE) | VALUE
META = st.fixed_dictionaries(
    {"property": st.sampled_from(["og:image", "og:title"]), "content": TEXT}
)


def record(html: object, headers: object, header: object) -> dict[str, object]:
    answer = {"Headers": headers, "HTML-Metadata": html}
    payload = {"Payload-Metadata": {"HTTP-Response-Metadata": answer}}
    return {"Envelope": {**payload, "WARC-Header-Metadata": header}}


HEAD = st.fixed_dictionaries({}, optional={"Metas": st.lists(META) | VALUE, "Base": VALUE})
HTML = st.fixed_dictionaries(
    {}, optional={"Head": HEAD | VALUE, "Links": st.lists(LINK) | st.lists(ANY_LINK) | VALUE}
)
HEADERS = st.dictionaries(st.sampled_from(["X-Robots-Tag", "Server"]), VALUE, max_size=2)
RECORDS = st.builds(record, HTML | VALUE, HEADERS | VALUE, VALUE | st.just({"WARC-Date": "2024"}))
# Texts at any place of the JSON: what makes it none, keys anew, and what only some parsers read.
CHANGES = [
    *("NaN", "Infinity", "-01", "1.", "1e999", "9" * 40, "\x01", "\\q", "[" * 400, "null"),
    *(', "path": "IMG@/src"', '"Links": 3, ', '"Envelope": {}, ', "\\ud83d", "\\u0041"),
    *("//", ",", "{", "}"),
]


def rows(body: bytes) -> list[object]:
    try:
        return list(map(repr, wat_pictures(body, PAGE)))
    except ValueError:
        return ["no JSON"]


def plain_rows(body: bytes) -> list[object]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wat, "metadata", plain_metadata)
        return rows(body)


@given(RECORDS, st.sampled_from(CHANGES), st.integers(0, 1 << 16))
@example(record({"Links": [{"path": "IMG@/src", "url": "/a", "alt": float("nan")}]}, {}, {}), "", 0)
def test_rows_are_those_of_all_of_the_json(value, change, place):
    text = json.dumps(value)
    place %= len(text) + 1
    for body in (text, json.dumps(value, ensure_ascii=False), text[:place] + change + text[place:]):
        as_bytes = body.encode("utf-8", "surrogatepass")
        assert rows(as_bytes) == plain_rows(as_bytes)


def test_of_a_usual_record_only_what_is_read_is_parsed(monkeypatch):
    links = [{"path": "IMG@/src", "url": "/a.jpg", "alt": "kite", "text": "not read"}]
    html = {"Head": {"Title": "T", "Metas": [], "Scripts": [{"url": "/s.js"}]}, "Links": links}
    body = json.dumps(record(html, {"Server": "x"}, {"WARC-Date": "2024"})).encode()
    expected = plain_metadata(body)
    monkeypatch.setattr(wat, "plain_metadata", None)
    assert metadata(body) == expected


@pytest.mark.parametrize("depth", [150, 900, 100_000])
def test_a_record_in_many_brackets_is_read_as_by_all_of_the_json(depth):
    link = '{"path": "IMG@/src", "url": "/a", "alt": "kite", "text": ' + "[" * depth + "]" * depth
    text = json.dumps(record("HTML", {}, {})).replace('"HTML"', '{"Links": [' + link + "}]}")
    assert rows(text.encode()) == plain_rows(text.encode())
