"""Pictures of one page: literal pages in, rows out; then pages made to choke a parser."""

import random

import pytest

from pipeline.sources.charsets import decoded
from pipeline.sources.crawl.address import srcset
from pipeline.sources.crawl.bodies import MOST_PAGE_BYTES
from pipeline.sources.crawl.page import MOST_PICTURES, pictures
from pipeline.sources.crawl.skeleton import LONGEST_TAG, MOST_CHARACTERS, Skeleton, skeleton
from pipeline.sources.crawl.warc import Fault, pages

PAGE = "http://site.example/news/today.html"


def found(html: str, page: str = PAGE) -> list[tuple[str, str]]:
    return [(raw.url, raw.caption) for raw in pictures(html.encode(), page) if raw.reason is None]


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        (
            '<img src="a.jpg" alt="A  red\n kite">',
            [("http://site.example/news/a.jpg", "A red kite")],
        ),
        ('<img src="/a.jpg" title="kite">', [("http://site.example/a.jpg", "kite")]),
        ('<img src="/b/../a.jpg" title="kite">', [("http://site.example/a.jpg", "kite")]),
        ('<img src="//cdn.example/a.jpg" alt="kite">', [("http://cdn.example/a.jpg", "kite")]),
        ("<IMG SRC=a.jpg ALT=Tom&#39;s>", [("http://site.example/news/a.jpg", "Tom's")]),
        ("<img alt=Bob's src=a.jpg><p>'", [("http://site.example/news/a.jpg", "Bob's")]),
        ('<img alt="a > b" src=a.jpg>', [("http://site.example/news/a.jpg", "a > b")]),
        (
            '<base href="/pictures/"><img src="a.jpg" alt="kite">',
            [("http://site.example/pictures/a.jpg", "kite")],
        ),
        (
            '<base href="//cdn.example"><img src="/a.jpg" alt="kite">',
            [("http://cdn.example/a.jpg", "kite")],
        ),
        (
            '<img src="data:image/gif;base64,R0" data-src="a.jpg" alt="lazy">',
            [("http://site.example/news/a.jpg", "lazy")],
        ),
        (
            f'<img src="data:image/gif;base64,{"R" * LONGEST_TAG}" data-src="a.jpg" alt="long">',
            [("http://site.example/news/a.jpg", "long")],
        ),
        (
            '<img src="s.jpg" srcset="m.jpg 320w, l.jpg 1280w" alt="large">',
            [("http://site.example/news/l.jpg", "large")],
        ),
        (
            '<img src="s.jpg" srcset="data:image/gif;base64,R0 1x" alt="small">',
            [("http://site.example/news/s.jpg", "small")],
        ),
        (
            '<picture><source srcset="p.webp 2x"><img src="s.jpg" alt="drawn"></picture>',
            [("http://site.example/news/p.webp", "drawn")],
        ),
        (
            '<picture><source srcset="a 640w,b 320w"><source srcset="c 1280w">'
            '<img srcset="d 960w" src="s.jpg" alt="wide"></picture>',
            [("http://site.example/news/c", "wide")],
        ),
        (
            '<figure><a><img src="a.jpg" alt="kite"></a><figcaption>A <b>red</b> <!-- -- -->'
            "kite<br>over<script>'<img>'</script> Wales</figcaption></figure>",
            [
                ("http://site.example/news/a.jpg", "kite"),
                ("http://site.example/news/a.jpg", "A red kite over Wales"),
            ],
        ),
        (
            '<figure><figcaption>Two</figcaption><picture><img src="/a"></picture><img src="/b">'
            "</figure><img src=/c>",
            [("http://site.example/a", "Two"), ("http://site.example/b", "Two")],
        ),
        (
            '<meta property="og:image" content="/o.jpg"><meta property="og:title" content="News">',
            [("http://site.example/o.jpg", "News")],
        ),
        (
            '<meta name=og:image content="/o.jpg"><meta property=og:image:alt content="Kite">',
            [("http://site.example/o.jpg", "Kite")],
        ),
        ('<!-- <img src=a alt=b> --><script>"<img src=a alt=b>"</script><title><img>', []),
        ('<!--><img src="/a" alt="b">', [("http://site.example/a", "b")]),
        ('<noscript><img src="/a" alt="b"></noscript>', [("http://site.example/a", "b")]),
        ('<img src="a.jpg"><img alt="no address"><img src="" alt="empty">', []),
        ('<img src="data:image/png;base64,xx" alt="inline">', []),
        ('<img src="http://[bad" alt="broken address">', []),
        ('<img src="a.jpg" alt="x" title="x ">', [("http://site.example/news/a.jpg", "x")]),
    ],
)
def test_pictures_have_their_best_address_and_every_text(html, expected):
    assert found(html) == expected


@pytest.mark.parametrize(
    ("html", "server", "language"),
    [
        ("<html lang=de-AT>", "en", "de-at"),
        ("<html xml:lang=pt_BR>", None, "pt-br"),
        ('<meta http-equiv="Content-Language" content="fr, en">', "en", "fr"),
        ("<html>", "EN-gb", "en-gb"),
        ("<html lang='so many words'>", None, None),
    ],
)
def test_the_declared_language_is_kept(html, server, language):
    (raw,) = pictures(f"{html}<img src=/a alt=b>".encode(), PAGE, server)
    assert raw.extra == ({"language": language} if language else None)


@pytest.mark.parametrize(
    ("body", "server", "text"),
    [
        ("маяк".encode("windows-1251"), "windows-1251", "маяк"),
        (b'<meta charset="shift_jis">' + "灯台①".encode("cp932"), None, "灯台①"),
        ("phare à l'aube".encode(), None, "phare à l'aube"),
        (b'<meta charset="utf-16">' + "é".encode(), None, "é"),
        ("\ufeffé".encode("utf-16"), "iso-8859-1", "é"),
        ("“é”".encode("cp1252"), "ISO-8859-1", "“é”"),
        ("é".encode(), "no-such-thing", "é"),
        ("é".encode(), '"utf-8"', "é"),
        *[
            (b"caf\xc3\xa9 -", charset, "café -")
            for charset in ("punycode", "idna", "zip", "hex", "undefined", "../x", "a\0", "é")
        ],
    ],
)
def test_a_charset_is_one_of_the_web_s_or_utf_8(body, server, text):
    assert decoded(body, server)[0].endswith(text)


def test_a_page_cannot_flood_the_pool_and_says_so():
    html = "".join(f'<img src="{n}.jpg" alt="{n}">' for n in range(5_000))
    *first, last = pictures(html.encode(), PAGE)
    assert [raw.caption for raw in first] == [str(n) for n in range(2_000)]
    assert (last.reason, last.page_url) == ("bad_record", PAGE)
    assert last.extra == {"fault": "more than 2000 pictures"}


def test_a_tag_without_end_is_told_and_the_others_are_read():
    long = '<img alt="a" srcset="' + "b 1x," * 1_000_000 + '">'
    html = f'<img src="/a" alt="b">{long}<img src="/c" alt="d">'
    raws = list(pictures(html.encode(), PAGE))
    assert [raw.caption for raw in raws] == ["b", "d", None]
    assert raws[-1].reason == "bad_record"


def test_of_a_million_candidates_the_first_are_read():
    assert len(srcset("a.jpg 1x," * 1_000_000)) == 20_000 // len("a.jpg 1x,")


def everything_kept(html: bytes) -> Skeleton:
    return Skeleton(html.decode(), [], "")


def test_the_tags_kept_of_real_pages_give_what_the_whole_pages_give(shared, monkeypatch):
    texts = []
    for name in ("warcfile.warc.gz", "IAH-urls-wget.warc"):
        with (shared / name).open("rb") as file:
            read = [page for page in pages(file) if not isinstance(page, Fault)]
            texts += [decoded(page.body, page.charset)[0] for page in read]
    quick = [found(text) for text in texts]
    monkeypatch.setattr("pipeline.sources.crawl.page.skeleton", everything_kept)
    assert quick == [found(text) for text in texts]
    assert sum(map(len, quick)) > 75


def test_the_tags_kept_of_random_pages_give_what_the_whole_pages_give(monkeypatch):
    bits = [
        "<img src=a alt=x>", "<img alt='>' src='b c'>", '<IMG\nsrc="/d"alt="é&amp;">', "text",
        "<img/src=e title=t>", "<p>", "</p>", "<b>", "</b>", "<div class='a>b'>", "</div>", "3 < 4",
        "<!-- <img src=f alt=y> -->", "<!-->", "<script>'<img src=g alt=z>'</script>", "</a>",
        "<style>a>b{}</style>", '<a href=/?q="x">', "<title><img src=i alt=w></title>",
        "<textarea><img src=k alt=v></textarea>", "<meta property=og:image content=j>",
        "<html lang=fr>", "<meta property=og:title content=T>", "<noscript>", "</noscript>",
        "<picture><source srcset='h 2x'><img src=l alt=u></picture>", "<base href=/q/>",
        "<figure><a href=x><img src=m></a><figcaption>C <i>c</i> &lt; </figcaption></figure>",
    ]  # fmt: skip
    chance = random.Random(7)
    texts = ["".join(chance.choices(bits, k=chance.randint(1, 30))) for _ in range(2_000)]
    quick = [sorted(set(found(text))) for text in texts]
    monkeypatch.setattr("pipeline.sources.crawl.page.skeleton", everything_kept)
    whole = [sorted(set(found(text))) for text in texts]
    differ = [text for text, a, b in zip(texts, quick, whole, strict=True) if a != b]
    assert not differ


HOSTILE = {
    "nested": "<div>" * 1_000_000,
    "nested figures": "<figure><figcaption>" * 200_000,
    "nested pictures": "<picture>" * 9_000 + "<img src=a alt=b>" * 900,
    "formatting opened anew": "".join(f"<b id={n}>" for n in range(5_000)) + "<p>x</p>" * 100_000,
    "sources": "<picture>" + "<source srcset='a 1x,b 2x'>" * 7_900 + "<img src=a alt=b>" * 1_900,
    "attributes": ("<img " + " ".join(f"a{n}" for n in range(2_400)) + " src=a alt=b>") * 250,
    "candidates": ("<img alt=a srcset='" + "a 1x," * 3_000 + "'>") * 250,
    "open comment": "<!--" * 1_000_000,
    "open script": "<script>" * 500_000,
    "open tag": "<img " * 800_000,
    "open quote": '<img a="' * 500_000,
    "equals": "<img =" * 600_000,
    "caption": "<figcaption>" + "<p" * 2_000_000,
    "nul": "\0" * 4_000_000,
    "less than": "<" * 4_000_000,
}


@pytest.mark.timeout(120)  # half a second at most; what they aim at takes minutes
@pytest.mark.parametrize("name", HOSTILE)
def test_no_page_takes_long_or_gives_more_than_a_page_may(name):
    assert len(list(pictures(HOSTILE[name].encode()[:MOST_PAGE_BYTES], PAGE))) <= MOST_PICTURES + 1


def test_the_skeleton_is_bounded_whatever_the_page():
    assert len(skeleton(HOSTILE["attributes"].encode()).html) <= MOST_CHARACTERS
