"""Spellings of one address: equal where RFC 3986 and hosts say so, different where a server may."""

import random

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.filters.named import address_keys
from pipeline.web.equivalence import equivalence_key, equivalence_keys, equivalent_host
from pipeline.web.url import normalise_url

GROUPS = {  # each group is one address
    "codes": [
        "http://example.org/~ann/fox.jpg",
        "http://example.org/%7Eann/fox.jpg",
        "http://example.org/%7eann/%66o%78.jpg",
        "HTTP://EXAMPLE.org:80/~ann/fox.jpg#top",
    ],
    "codes that are needed": ["http://a.org/%c3%a9%2f", "http://a.org/é%2F"],
    "dot segments": [
        "http://a.org/b/d;p?q",
        "http://a.org/b/c/../d;p?q",
        "http://a.org/./b/%2e/d;p?q",
        "http://a.org/../../b/c/%2E%2E/d;p?q",
    ],
    "an empty path": ["https://a.org", "https://a.org:443/", "https://A.org?", "https://a.org/#x"],
    "a host's last dot": ["http://a.org/x", "http://a.org./x", "http://a.org.:80/x"],
    "a host's codes": ["http://a.org/x", "http://%61.or%67/x"],
    "IDNA": [
        "http://bücher.example/x",
        "http://BÜCHER.example./x",
        "http://xn--bcher-kva.example/x",
        "http://XN--BCHER-KVA.EXAMPLE/x",
        "http://bu\u0308cher。example/x",
    ],
    "an emoji as host": ["http://i❤.ws/x", "http://xn--i-7iq.ws/x"],
    "IPv4": [
        "http://93.184.216.34/x",
        "http://93.184.216.34./x",
        "http://1572395042/x",
        "http://0x5db8d822/x",
        "http://0135.0270.0330.042/x",
        "http://93.184.55330/x",
        "http://0x5D.0xB8.0xd8.0x22/x",
        "http://９３.184.216.34/x",
        "http://[::ffff:93.184.216.34]/x",
        "http://[0:0:0:0:0:FFFF:5db8:d822]/x",
        "http://[64:ff9b::5db8:d822]/x",
    ],
    "IPv6": ["http://[2001:4860::8888]/x", "http://[2001:4860:0:0:0:0:0:8888]:80/x"],
    "RFC 2396's marks": ["http://a.org/Fox_(1)!.jpg", "http://a.org/Fox_%281%29%21.jpg"],
    "what no URL has": ["http://a.org/a|b[1]", "http://a.org/a%7Cb%5B1%5D"],
    "a lone percent sign": ["http://a.org/100%.jpg", "http://a.org/100%25.jpg"],
    "a query": ["http://a.org/x?n=%41%7e&b=%2f", "http://a.org/x?n=A~&b=%2F"],
    "JSONbored/loopover#2826": ["http://a.org/%7Euser/%41BC/a%2fb", "http://a.org/~user/ABC/a%2Fb"],
    "Coolhand-Labs/coolhand-ruby#121": [
        "http://a.org/openai/./files",
        "http://a.org/openai/%66iles",
    ],
    "a2aproject/a2a-rs#223": ["http://metadata.google.com./x", "http://Metadata.Google.com/x"],
}
DIFFERENT = {
    "a reserved character and its code": ["http://a.org/b/c", "http://a.org/b%2Fc"],
    "a question mark and its code": ["http://a.org/b?c", "http://a.org/b%3Fc"],
    "the order of a query": ["http://a.org/?b=1&c=2", "http://a.org/?c=2&b=1"],
    "what separates in a query": ["http://a.org/?b=1&c", "http://a.org/?b=1%26c"],
    "a path's case": ["http://a.org/Fox.jpg", "http://a.org/fox.jpg"],
    "slashes": ["http://a.org/b//c", "http://a.org/b/c", "http://a.org/b/c/"],
    "schemes and ports": ["http://a.org/", "https://a.org/", "http://a.org:8080/"],
    "dots that are no segment": ["http://a.org/..b", "http://a.org/b..", "http://a.org/b"],
    "dots of a query": ["http://a.org/?b=/../c", "http://a.org/?b=/c", "http://a.org/c"],
    "a code of a code": ["http://a.org/%257Eb", "http://a.org/%7Eb"],
    "sharp s": ["http://straße.example/", "http://strasse.example/"],
}
# The examples of RFC 3986, 5.4, whose answers have no fragment, resolved by hand; and paths of the
# tests of url-normalize 3.1.0 and rfc3986 2.0.0, two packages.
PATHS = {
    "/b/c/./g": "/b/c/g",
    "/b/c/g/": "/b/c/g/",
    "/b/c/.": "/b/c/",
    "/b/c/./": "/b/c/",
    "/b/c/..": "/b/",
    "/b/c/../g": "/b/g",
    "/b/c/../..": "/",
    "/b/c/../../g": "/g",
    "/b/c/../../../g": "/g",
    "/b/c/../../../../g": "/g",
    "/b/c/g.": "/b/c/g.",
    "/b/c/..g": "/b/c/..g",
    "/b/c/./../g": "/b/g",
    "/b/c/./g/.": "/b/c/g/",
    "/b/c/g/../h": "/b/c/h",
    "/b/c/g;x=1/../y": "/b/c/y",
    "/foo/bar/../../../../baz": "/baz",
    "/./foo/.": "/foo/",
    "/a/b/c/./../../g": "/a/g",
    "/mid/content=5/../6": "/mid/6",
}


@pytest.mark.parametrize("spellings", GROUPS.values(), ids=GROUPS)
def test_equivalent_spellings_have_one_key(spellings):
    assert len({equivalence_key(url) for url in spellings}) == 1


@pytest.mark.parametrize("addresses", DIFFERENT.values(), ids=DIFFERENT)
def test_what_a_server_may_tell_apart_has_keys_of_its_own(addresses):
    assert len({equivalence_key(url) for url in addresses}) == len(addresses)


@pytest.mark.parametrize(("path", "expected"), PATHS.items(), ids=PATHS)
def test_dot_segments_go_as_the_rfc_says(path, expected):
    assert equivalence_key(f"http://a{path}") == f"http://a{expected}"


@pytest.mark.parametrize(
    "url",
    ["ftp://a.org/x", "a.org/x", "http://me@a.org/x", "http://a%2Forg/x", "http://a%40b.org/"],
)
def test_what_is_no_address_has_no_key(url):
    with pytest.raises(ValueError, match="expected"):
        equivalence_key(url)


def test_ipv4_in_ipv6_is_ipv4_and_other_ipv6_is_not():
    assert equivalent_host("::ffff:8.8.8.8") == equivalent_host("134744072") == "8.8.8.8"
    assert equivalent_host("2002:808:808::") == "2002:808:808::"
    assert equivalent_host("a..b") is None


ALL = [url for spellings in (*GROUPS.values(), *DIFFERENT.values()) for url in spellings]
PIECES = [*"~/.%?&=;:@!'()*|[] é", "%7E", "%7e", "%2F", "%2e", "..", "fox", "%", "%25", "%4"]


def keys_one_by_one(url_keys: list[str]) -> list[str]:
    return [equivalence_key(url_key) for url_key in url_keys]


def test_a_whole_array_has_the_keys_that_each_address_has():
    chance = random.Random(0)
    hosts = ["a.org", "a.org.", "xn--bcher-kva.example", "0x7f.1", "[::ffff:1.2.3.4]", "a.b:81"]
    texts = [
        f"http://{chance.choice(hosts)}/{''.join(chance.choices(PIECES, k=chance.randrange(9)))}"
        for _ in range(5_000)
    ]
    # not "http://%61.or%67/x": a candidate's host has no codes
    url_keys = [normalise_url(url) for url in (*texts, *ALL) if "%61.or" not in url]
    assert address_keys(pa.array(url_keys)) == keys_one_by_one(url_keys)
    assert equivalence_keys(pa.array(url_keys)).null_count > 100


@given(st.lists(st.sampled_from(PIECES)), st.lists(st.sampled_from(PIECES)))
def test_a_key_is_the_key_of_itself(path, query):
    key = equivalence_key(f"http://a.org/{''.join(path)}?{''.join(query)}")
    assert equivalence_key(key) == key
    assert address_keys(pa.array([normalise_url(key)])) == [key]


def test_rows_without_an_address_stay_without_one():
    assert equivalence_keys(pa.array(["", "http://a.org/x"])).to_pylist() == [None, None]
