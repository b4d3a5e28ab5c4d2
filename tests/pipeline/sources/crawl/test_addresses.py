"""Which attribute holds the picture, and what its address is."""

import pytest

from pipeline.sources.crawl.address import absolute, address_of
from pipeline.sources.crawl.page import MOST_PICTURES, pictures
from tests.pipeline.sources.crawl.test_crawl import packed, rows_of, wat

PAGE = "http://site.example/news/today.html"
GIF = "data:image/gif;base64,R0"


def pairs_of(html: str) -> list[tuple[str, str]]:
    return [(raw.url, raw.caption) for raw in pictures(html.encode(), PAGE) if raw.reason is None]


@pytest.mark.parametrize(
    "attributes",
    [
        'src="/blank.gif" data-src="/kite.jpg"',
        'src="/blank.gif" data-original="/kite.jpg"',  # jQuery's lazyload 1.9.7
        'src="/blank.gif" data-lazy-src="/kite.jpg"',  # Automattic/lazy-load, gallery-dl #7977
        'data-lazy-src="/kite.jpg" data-lazy-srcset="/s.jpg 99w, /kite.jpg 999w" src="/blank.gif"',
        f'src="{GIF}" data-srcset="/s.jpg 320w, /kite.jpg 1280w"',
        f'srcset="{GIF}" src="/lq.jpg" data-srcset="/kite.jpg 600w"',  # lazysizes: "modern pattern"
        'src="/lq.jpg" srcset="/lq.jpg 1x" data-srcset="/kite.jpg 2x"',
        'src="/lq.jpg" data-src="/kite.jpg|/kite@2x.jpg"',  # bLazy 1.8.2: "|" before the second
        'src="/blank.gif" data-echo="/kite.jpg"',  # echo.js 1.7.3
        'src="/blank.gif" data-normal="/kite.jpg"',  # layzr.js
        'src="/a.jpg" data-src="//cdn.example/a_{width}x.jpg" data-lazy="/kite.jpg"',
        'src="/kite.jpg" data-src="//cdn.example/a_{width}x.jpg"',  # lazysizes: rias
        'src="/kite.jpg" data-src=\'{"s":"/s.jpg","l":"/l.jpg"}\'',
        'src="/kite.jpg" data-src=\'["/s.jpg", "/l.jpg"]\'',
        'src="/kite.jpg" srcset="[&quot;/s.jpg&quot;]"',
        'src="/kite.jpg" srcset=\'[ "/s.jpg 1x", "/l.jpg 2x" ]\'',
        'src="/kite.jpg" data-src=\'"/s.jpg"\'',
        'src="/kite.jpg" data-original="[&amp;quot;/s.jpg&amp;quot;]"',  # escaped twice
        'src="/kite.jpg" data-srcset=\'[null,"/s.jpg"]\'',
        'src="/kite.jpg" data-src="{{ image.url }}"',
        'src="/kite.jpg" srcset="{{ sizes }}"',
        'src="/kite.jpg" data-lazy="true" data-original="1" data-image="17"',
        'src="/kite.jpg" data-url="/article/7.html"',  # the address of a link
        'src="about:blank" data-actualsrc="/kite.jpg"',  # kepano/defuddle #327
        'src="#" data-some-lazy-src="/kite.jpg"',
        'src="/kite.jpg" data-lowsrc="/low.jpg" data-thumb-src="/thumb.jpg"',
        f'src="{GIF}" data-large-file="/kite.jpg"',  # Jetpack's carousel
        'src="/kite.jpg" data-src="<%= picture.url %>"',  # ERB, EJS and lodash
        'src="/kite.jpg" data-src="/a/[[img]].jpg"',  # Polymer, Fluid
        'src="/kite.jpg" data-src="<?php echo $url ?>"',
        'src="*|IMAGE_URL|*" data-src="/kite.jpg"',  # Mailchimp
        'src="/kite.jpg" data-src=""',  # a lazy loader that this picture does not wait for
        'src="  /kite.jpg\n"',
    ],
)
@pytest.mark.parametrize("tag", ["img", "amp-img"])
def test_the_best_attribute_holds_the_address(tag, attributes):
    html = f'<{tag} alt="kite" {attributes}></{tag}><img src="/b.jpg" alt="b">'
    assert pairs_of(html) == [
        ("http://site.example/kite.jpg", "kite"),
        ("http://site.example/b.jpg", "b"),
    ]


@pytest.mark.parametrize(
    "sources",
    [
        '<source type="image/svg+xml" srcset="/p.svg 9x">',
        '<source type="video/mp4" srcset="/p.mp4 9x">',
        '<source type="IMAGE/JXL" srcset="/p.jxl 9x">',
        '<source type="image/webp" srcset="/kite.jpg 2x"><source src="/s.jpg">',
        '<source media="(min-width: 9em)" data-srcset="/s.jpg 1x, /kite.jpg 2x">',
        f'<source srcset="{GIF}" data-srcset="/kite.jpg 600w">',
    ],
)
def test_a_source_counts_if_its_type_can_be_read(sources):
    """The fifth as in the README of vanilla-lazyload 19.1.3."""
    html = f'<picture>{sources}<img src="/kite.jpg" alt="kite"></picture>'
    assert pairs_of(html) == [("http://site.example/kite.jpg", "kite")]


def test_a_picture_within_noscript_and_its_placeholder_are_one_address():
    """As WordPress' lazy-load plugins write each picture."""
    html = (
        f'<img src="{GIF}" data-lazy-src="/kite.jpg" alt="kite">'
        '<noscript><img src="/kite.jpg" alt="kite"></noscript>'
    )
    assert set(pairs_of(html)) == {("http://site.example/kite.jpg", "kite")}


HOST, DIRECTORY = "http://site.example/", "http://site.example/news/"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        # The kinds of addresses in wpt's url/resources/urltestdata.json; Node's URL gives the same.
        ("\\images\\a.jpg", HOST + "images/a.jpg"),
        ("..\\a.jpg", HOST + "a.jpg"),
        ("\\\\cdn.example\\a.jpg", "http://cdn.example/a.jpg"),
        ("///cdn.example/a.jpg", "http://cdn.example/a.jpg"),
        ("/\\/cdn.example/a.jpg", "http://cdn.example/a.jpg"),
        ("http:///cdn.example/a.jpg", "http://cdn.example/a.jpg"),
        ("http:\\\\cdn.example\\a.jpg", "http://cdn.example/a.jpg"),
        ("https:cdn.example/a.jpg", "https://cdn.example/a.jpg"),
        ("HTTPS:/cdn.example/a.jpg", "https://cdn.example/a.jpg"),
        ("http:a.jpg", DIRECTORY + "a.jpg"),
        ("http:/a.jpg", HOST + "a.jpg"),
        (" \t a.jpg\n", DIRECTORY + "a.jpg"),
        ("a\n b.jpg", DIRECTORY + "a%20b.jpg"),
        ("http://cdn.example/a b.jpg", "http://cdn.example/a%20b.jpg"),
        ("http://cdn.example/a/../b/./c.jpg", "http://cdn.example/b/c.jpg"),
        ("../../../a.jpg", HOST + "a.jpg"),
        ("%2e%2E/a.jpg", HOST + "a.jpg"),
        ("/p/%2E%2e/q/%2e/a.jpg", HOST + "q/a.jpg"),
        ("/p/.%2e/a.jpg", HOST + "a.jpg"),
        ("/p/%2ea.jpg", HOST + "p/%2ea.jpg"),
        ("fetch/http://cdn.example//a.jpg", DIRECTORY + "fetch/http://cdn.example//a.jpg"),
        ("?id=7", DIRECTORY + "today.html?id=7"),
        ("a.jpg?b=\\c//..", DIRECTORY + "a.jpg?b=\\c//.."),
        ("//cdn.example", "http://cdn.example/"),
        ("ftp://cdn.example/a.jpg", "ftp://cdn.example/a.jpg"),  # gets its reason later
        ("data:image/gif,", None),
        ("javascript:void(0)", None),
        ("about:blank", None),
        ("#", None),
        ("", None),
        ("/a/{size}.jpg", None),
        ("http://[bad", None),
    ],
)
def test_an_address_is_joined_as_browsers_do(address, expected):
    assert absolute(PAGE, address) == expected
    if '"' not in address:
        of_page = [url for url, _ in pairs_of(f'<img src="{address}" alt="kite">')]
        assert of_page == ([expected] if expected else [])


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("\\\\cdn.example\\p\\", "http://cdn.example/p/a.jpg"),
        ("https:///cdn.example", "https://cdn.example/a.jpg"),
        ("data:text/html,", DIRECTORY + "a.jpg"),
        ("p q/", DIRECTORY + "p%20q/a.jpg"),
    ],
)
def test_a_base_is_joined_in_the_same_way(base, expected):
    assert pairs_of(f'<base href="{base}"><img src="a.jpg" alt="a">') == [(expected, "a")]


S = [("/s", "T")]


def meta(*pairs: tuple[str, str]) -> str:
    return "".join(f'<meta property="{name}" content="{content}">' for name, content in pairs)


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (
            meta(("og:image", "/a"), ("og:image", "/b"), ("og:image:alt", "A lighthouse")),
            [("/b", "A lighthouse")],
        ),
        (
            meta(("og:image", "/a"), ("og:image:alt", "A"))
            + meta(("og:image", "/b"), ("og:image:alt", "B"))
            + meta(("og:image:alt", "C")),
            [("/a", "A"), ("/b", "B")],
        ),
        (
            meta(("og:title", "T"), ("og:image", "/a"), ("og:image", "/b"), ("og:image:alt", "B")),
            [("/a", "T"), ("/b", "T"), ("/b", "B")],
        ),
        (
            # each with its secure address and its size
            meta(
                ("og:image", "/a"), ("og:image:secure_url", "/s"), ("og:image:width", "9"),
                ("og:image:alt", "A"), ("og:image:url", "/b"), ("og:image:alt", "B"),
            ),
            [("/a", "A"), ("/b", "B")],
        ),
        (meta(("og:image", "/a"), ("og:image:url", "/a"), ("og:image:alt", "A")), [("/a", "A")]),
        (meta(("og:image", "{a}"), ("og:image:secure_url", "/s"), ("og:title", "T")), S),
        (meta(("og:image:secure_url", "/s"), ("og:title", "T")), [("/s", "T")]),
        (meta(("og:image:alt", "A"), ("og:image", "/a")), [("/a", "A")]),
        (
            meta(("twitter:image", "/t"), ("twitter:image:alt", "A"), ("twitter:title", "T")),
            [("/t", "T"), ("/t", "A")],
        ),
        (
            meta(("og:image", "/a"), ("og:title", "T"), ("twitter:image:src", "/a")),
            [("/a", "T")],
        ),
        (meta(("og:title", "T"), ("twitter:image", "/t")), [("/t", "T")]),
    ],
)  # fmt: skip
def test_each_picture_of_the_head_has_its_own_texts(html, expected):
    wanted = [(f"http://site.example{path}", text) for path, text in expected]
    assert pairs_of(html) == wanted


A = [("/a", "A")]


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ('{"@type": "ImageObject", "contentUrl": "/a", "url": "/p", "caption": "A"}', A),
        ('{"@type": "ImageObject", "url": "/a", "caption": "A &amp; B"}', [("/a", "A & B")]),
        (
            '{"@graph": [{"@type": "Article", "image": [{"@type": ["Thing", "ImageObject"],'
            '"url": ["/a"], "caption": {"@value": "A"}}, {"@type": "ImageObject", "url": "/b"}]}]}',
            [("/a", "A")],
        ),
        ('//<![CDATA[\n[{"@type": "schema:ImageObject", "url": "/a", "name": "A"}]//]]>', A),
        ('{"@type": "ImageObject", "url": "/a", "caption": "A\nkite"}', [("/a", "A kite")]),
        ('{"@type": "ImageObject", "url": "/a", "caption": ""}', []),
        ('{"@type": "ImageObject", "url": {}, "caption": 7}', []),
        ('{"@type": "ImageObject", "caption": "A"', []),
        ("[" * 100_000, []),
        ('[' + '{"@type": "ImageObject"},' * 100_000 + '{}]', []),
    ],
)  # fmt: skip
def test_json_ld_gives_pictures_with_their_captions(data, expected):
    html = f"<script data-a='>' type='application/ld+json'>{data}</script><script>{data}</script>"
    html = html.replace(" data-a='>'", "")
    assert pairs_of(html) == [(f"http://site.example{path}", text) for path, text in expected]


def test_links_of_a_wat_with_the_same_texts_are_one_picture(tmp_path):
    def link(attribute: str, url: str, alt: str | None = "kite") -> dict[str, str | None]:
        return {"path": f"IMG@/{attribute}", "url": url, "alt": alt}

    links = [
        link("src", "/blank.gif"), link("data-src", "/kite.jpg"),
        link("src", "/gull.jpg", "gull"), link("src", "/gull.jpg", "gull"),
        link("src", "/c.jpg", "c"), link("srcset", "/s.jpg 1x, /l.jpg 2x", "c"),
        link("data-original", "/d.jpg", "d"), link("data-srcset", "/e_{width}.jpg 1x", "e"),
        link("src", "/f.jpg", None), {"path": "SOURCE@/srcset", "url": "/g.jpg"},
    ]  # fmt: skip
    assert [(raw.url, raw.caption) for raw in rows_of(tmp_path, packed(wat(links)))] == [
        ("http://site.example/kite.jpg", "kite"),
        ("http://site.example/gull.jpg", "gull"),
        ("http://site.example/gull.jpg", "gull"),
        ("http://site.example/l.jpg", "c"),
        ("http://site.example/d.jpg", "d"),
    ]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Tom &amp; Jerry&#39;s &quot;day&quot;", 'Tom & Jerry\'s "day"'),
        ("a &lt; b &copy=3 &amp", "a < b &copy=3 &amp"),
        ("fish &nosuch; chips &#x1F41F;", "fish &nosuch; chips 🐟"),
    ],
)
def test_texts_and_addresses_of_a_wat_lose_complete_entities(tmp_path, written, expected):
    links = [{"path": "IMG@/src", "url": "/a.jpg?b=1&amp;c=2&copy=3", "alt": written}]
    metas = [
        {"property": "og:image", "content": "/o.jpg?a=1&amp;b=2"},
        {"property": "og:title", "content": written},
    ]
    raws = rows_of(tmp_path, packed(wat(links, Head={"Metas": metas})))
    assert [(raw.url, raw.caption) for raw in raws] == [
        ("http://site.example/a.jpg?b=1&c=2&copy=3", expected),
        ("http://site.example/o.jpg?a=1&b=2", expected),
    ]


def test_a_wat_says_of_each_answer_without_a_picture_what_it_is(tmp_path):
    raws = rows_of(tmp_path, packed(wat([]), wat([{"path": "IMG@/src", "url": "/a"}])))
    assert [raw.reason for raw in raws] == ["no_picture", "no_picture"]


def test_many_sources_and_pictures_are_read_once():
    sources = "<source srcset='a 1x' data-srcset='b 2x'>" * 5_000
    html = f"<picture>{sources}{'<img src=a alt=b>' * 1_900}</picture>"
    assert len(pairs_of(html)) <= MOST_PICTURES


def test_an_attribute_without_a_value_is_no_address():
    assert address_of({"src": None, "data-src": "", "data-srcset": None, "srcset": " , "}) is None


@pytest.mark.parametrize(
    "attributes",
    [
        'src="/img/placeholder.png" data-src=""',
        'data-src="" src="/blank.gif"',
        'src="/wp-content/plugins/a3-lazy-load/assets/images/lazy_placeholder.gif" data-srcset=""',
        'src="https://cdn.example/loading-300x200.svg?v=2" data-original',
        'src="<%= x %>"',
        'src="[[img]]"',
        'src="<?= $a ?>" data-src="{{ b }}"',
    ],
)
def test_a_picture_that_only_a_script_knows_has_no_address(attributes):
    html = f'<img alt="kite" {attributes}><img src="/b.jpg" alt="b">'
    assert pairs_of(html) == [("http://site.example/b.jpg", "b")]


@pytest.mark.parametrize(
    "address", ["/a[0].jpg", "/a*b.jpg", "/1<2.jpg", "/100%25.jpg", "/a_[b].jpg", "[2019] a.jpg"]
)
def test_an_address_with_odd_characters_is_no_template(address):
    assert address_of({"src": address}) == address


@pytest.mark.parametrize("unit", ["<", "[ ", "*", "<[*", "a"])
def test_a_long_value_is_searched_for_marks_once(unit):
    """Each character costs about the same, whatever marks it could begin."""
    assert absolute(PAGE, unit * 200_000) is not None
    assert address_of({"src": unit * 200_000 + "[["}) is None
