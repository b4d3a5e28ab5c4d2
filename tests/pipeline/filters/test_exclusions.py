"""Lists of exclusions: what they may say, and that one wrong line ends the build."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.filters.exclusions import read_exclusions
from pipeline.filters.named import excluded_hosts
from queries.tables.errors import InputError
from queries.tables.schemas import TABLES
from tests.tables import rows


@pytest.fixture
def read(tmp_path):
    def of(name: str, text: str) -> list[dict]:
        path = tmp_path / name
        path.write_text(text)
        return read_paths(path)

    return of


def read_paths(*paths) -> list[dict]:
    given = pa.RecordBatch.from_pydict({"path": list(map(str, paths))})
    schema = TABLES["exclusion"].schema
    return pa.Table.from_batches(read_exclusions(iter([given])), schema).to_pylist()


def values(found: list[dict]) -> list[tuple]:
    return [(row["kind"], row["value"]) for row in found]


def test_a_table_has_every_kind_each_in_the_form_that_is_compared(read):
    sha256 = "AB" * 32
    lines = [
        "kind,value,radius,reason,date",
        'url,HTTP://Example.org:80/a b,,"asked, by mail",2026-11-01',
        "host,*.Ads.Example.ORG.,,,",
        "pair_id,0042,,,",
        f"sha256,{sha256},,,",
        "phash,00FF00FF00FF00FF,6,,",
        "phash,00FF00FF00FF00FF,,,",
        f"md5,{sha256[:32]},,,",
        f"sha1,{sha256[:40]},,,",
        f"pdq,{sha256},,,",
        f"pdq,{sha256},0,,",
    ]
    found = read("list.csv", "\n".join(lines) + "\n")
    assert values(found) == [
        ("url", "http://example.org/a%20b"),
        ("host", "ads.example.org"),
        ("pair_id", "42"),
        ("sha256", sha256.lower()),
        ("phash", "00ff00ff00ff00ff"),
        ("phash", "00ff00ff00ff00ff"),
        ("md5", "ab" * 16),
        ("sha1", "ab" * 20),
        ("pdq", "ab" * 32),
        ("pdq", "ab" * 32),
    ]
    radii = [None, None, None, None, 6, 0, None, None, 31, 0]
    assert [row["radius"] for row in found] == radii
    assert (found[0]["why"], found[0]["since"]) == ("asked, by mail", "2026-11-01")
    assert (found[1]["why"], found[1]["since"]) == (None, None)


def test_a_tsv_and_a_parquet_file_say_the_same(read, tmp_path):
    table = pa.table({"value": ["a.org", "7"], "kind": ["host", "pair_id"], "radius": [None, None]})
    pq.write_table(table, tmp_path / "list.parquet")
    tsv = read("list.tsv", "value\tkind\na.org\thost\n\n7\tpair_id\n")
    parquet = read_paths(tmp_path / "list.parquet")
    assert [row | {"list_file": "", "line": 0} for row in tsv] == [
        row | {"list_file": "", "line": 0} for row in parquet
    ]
    assert [(row["list_file"], row["line"]) for row in tsv] == [("list.tsv", 2), ("list.tsv", 4)]
    assert [row["line"] for row in parquet] == [1, 2]
    assert values(tsv) == [("host", "a.org"), ("pair_id", "7")]


def test_a_text_has_a_host_or_an_address_a_line(read):
    found = read(
        "list.txt", "\ufeff# opt-outs\n\n.example.org\nhttps://a.org/x.jpg#top\n10.1\n::1\n"
    )
    assert values(found) == [
        ("host", "example.org"),
        ("url", "https://a.org/x.jpg"),
        ("host", "10.0.0.1"),
        ("host", "::1"),
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "a.org\n0.0.0.0 b.org\n", "a.txt, line 2: host '0.0.0.0 b.org': expected a host"),
        ("a.txt", "a.org:80\n", "line 1: host 'a.org:80': expected a host without a port"),
        ("a.txt", "a.org/x\n", "line 1: host 'a.org/x': expected a host"),
        ("a.txt", "*.*.org\n", r"line 1: host '\*.\*.org': expected a host"),
        ("a.txt", "ftp://a.org/x\n", "line 1: url 'ftp://a.org/x': expected an http or https"),
        ("a.txt", "a..org\n", "line 1: host 'a..org': expected a host"),
        ("a.csv", "kind,value\nurls,http://a.org\n", "line 2: kind 'urls': expected one of url,"),
        ("a.csv", "kind,value\nhost\n", "line 2: 1 columns, expected 2"),
        ("a.csv", "kind,value\nhost,\n", "line 2: host '': expected a host"),
        ("a.csv", "kind,value\npair_id,00ab\n", "line 2: pair_id '00ab': expected a decimal"),
        ("a.csv", f"kind,value\npair_id,{1 << 63}\n", "line 2: pair_id '9.*': expected a decimal"),
        ("a.csv", "kind,value\nsha256,ab\n", "line 2: sha256 'ab': expected 64 hex digits"),
        ("a.csv", "kind,value,radius\nphash,00ff00ff00ff00ff,65\n", "line 2: radius '65' of a"),
        ("a.csv", "kind,value\nmd5,ab\n", r"line 2: md5 'ab': expected 32 hex .*\(2 characters\)"),
        ("a.csv", f"kind,value\nsha1,{'a' * 32}\n", "expected 40 hex .*32 .*, as a md5 has"),
        ("a.csv", f"kind,value\nmd5,{'a' * 64}\n", "as a sha256 or a pdq has"),
        ("a.csv", f"kind,value\nmd5,{'a' * 31}g\n", "line 2: .*'g' at place 32 is none"),
        ("a.csv", "kind,value\nmd5,1B2M2Y8AsgTpgAmY7PhCfg==\n", "24 characters, perhaps base64"),
        ("a.csv", f"kind,value,radius\npdq,{'a' * 64},32\n", "radius '32' of a pdq: .*0..31 for a"),
        ("a.csv", f"kind,value,radius\nmd5,{'a' * 32},0\n", "radius '0' of a md5: expected"),
        ("a.csv", "kind;value\nhost;a.org\n", "separated by ',', not by ';'"),
        ("a.tsv", "kind,value\nhost,a.org\n", r"separated by '\\t', not by ','"),
        ("a.csv", "host,a.org\n", "the first line has their names, kind,value"),
        ("a.csv", "kind,value\nhost,a.org,b\n", "line 2: 3 columns, .* stands in quotes"),
        ("a.csv", "kind,value,radius\nhost,a.org,3\n", "line 2: radius '3' of a host: expected"),
        ("a.csv", "kind,value,radious\n", "a.csv: columns 'kind, value, radious': expected kind"),
        ("a.csv", "", "a.csv: columns '': expected kind and value"),
        ("a.csv", 'kind,value\nhost,"a.org\n', "a.csv: expected a list of exclusions"),
        ("a.txt", "https://a.org\n", "line 1: url 'https://a.org': .* home page: .* host a.org"),
        (
            "a.txt",
            "x.org\nhttp://a.org:80/#top\n",
            "line 2: url .* page: .* host a.org",
        ),
        (
            "a.txt",
            "https://www.a.com/*\n",
            r"no patterns: .* the host www.a.com; a \* itself is %2A",
        ),
        (
            "a.txt",
            "https://*.a.org/x.jpg\n",
            r"no patterns: .* write the host \*.a.org;",
        ),
        (
            "a.csv",
            "kind,value\nurl,http://a.org/*.jpg\n",
            r"line 2: url .* a \* itself is %2A",
        ),
        ("a.csv", "kind,value\nurl,http://me@a.org/x\n", "line 2: url .*, and no user name"),
        ("a.txt", "*a.org\n", r"line 1: host .*no port, path or pattern; an address"),
        # OpenCTI-Platform/opencti#13422: hosts with their ports were silent lines of its lists.
        ("a.txt", "domain.com:443\n", "line 1: host 'domain.com:443': expected a host without"),
        ("a.txt", "a.org\nco.uk\n", r"line 2: host 'co.uk': .* for all of them write \*.co.uk"),
        ("a.txt", "com\n", r"line 1: host 'com': .* below com: for all of them write \*.com"),
        ("a.txt", "рф\n", r"line 1: host 'рф': .* below xn--p1ai: for all of them write \*.xn--p"),
        # easylist/ruadlist#864: a list for five sites came to name all of github.io.
        ("a.csv", "kind,value\nhost,GitHub.io.\n", r"line 2: .* below github.io: .* \*.github.io"),
        # Lists of hashes, one a line, as photo hosts and hotlines give them out.
        ("a.txt", f"a.org\n{'d4' * 16}\n", "line 2: host .*but a md5: write a .csv .* md5,d4d4"),
        ("a.txt", f"{'E3' * 20}\n", "line 1: host .*but a sha1: write .* and sha1,E3E3"),
        ("a.txt", f"{'0c' * 32}\n", "but a sha256 or a pdq: write .* and sha256,0c0c"),
        ("a.txt", f"{'17' * 8}\n", "but a pair_id or a phash: write .* pair_id,1717"),
        ("a.txt", f"{'ab' * 64}\n", "no host but a hash: write .* one of md5, sha1,"),
        ("a.txt", "8f14e45f-ceea-467f-a5d1-000000000001\n", "no host but a hash: write a .csv"),
        ("a.txt", "1234567890123\n", "but a pair_id: write .* pair_id,1234567890123"),
        ("a.csv", f"kind,value\nhost,{'d4' * 16}\n", "line 2: host .*no host but a md5: write"),
        ("a.md", "a.org\n", "a.md: expected a list that ends in .csv, .tsv, .parquet or .txt"),
    ],
)
def test_a_line_that_is_no_exclusion_ends_in_one_clear_error(read, name, text, message):
    with pytest.raises(InputError, match=message):
        read(name, text)


def test_the_cures_that_refusals_name_are_read(read):
    """AdAway/AdAway#869: who lists xyz and gdn means all of them, and can say so."""
    lines = ["a.org", "*.xyz", ".gdn", "*.github.io", "me.github.io", "http://a.org/1%2A2.jpg"]
    assert values(read("list.txt", "\n".join(lines))) == [
        ("host", "a.org"),
        ("host", "xyz"),
        ("host", "gdn"),
        ("host", "github.io"),
        ("host", "me.github.io"),
        ("url", "http://a.org/1*2.jpg"),
    ]


def test_spellings_of_one_address_are_one_value(read):
    spellings = ["http://example.org/%7Eann/fox.jpg", "http://Example.org.:80/./~ann/fox.jpg"]
    spellings.append("http://ex%61mple.org/%7eann/fox.jpg#top")
    found = read("list.txt", "\n".join(spellings))
    assert values(found) == [("url", "http://example.org/~ann/fox.jpg")] * 3


def test_a_row_says_where_it_stands_in_which_list(read):
    text = read("list.txt", "# ours\n\na.org\nb.org\n")
    assert [(row["list_file"], row["line"]) for row in text] == [("list.txt", 3), ("list.txt", 4)]


def test_a_list_that_is_not_utf8_or_not_parquet_is_refused(tmp_path):
    for name in ("list.txt", "list.csv", "list.parquet"):
        path = tmp_path / name
        path.write_bytes(b"\xff\xfe")
        with pytest.raises(InputError, match=f"{name}: expected a list of exclusions"):
            read_paths(path)


def test_an_exclusion_names_a_host_and_all_below_it_and_no_other(tmp_path):
    exclusion = rows(
        "exclusion",
        {"kind": "host", "value": "b.org"},
        {"kind": "host", "value": "x.c.org"},
        {"kind": "host", "value": "10.0.0.1"},
        {"kind": "host", "value": "::1"},
        {"kind": "host", "value": "0.1"},
        {"kind": "url", "value": "d.org"},
    )
    path = tmp_path / "exclusion.parquet"
    pq.write_table(exclusion, path)
    hosts = ["b.org", "a.b.org:80", "z.a.b.org.", "ab.org", "b.org.uk", "c.org", "d.org"]
    hosts += [
        "x.c.org",
        "0xa.1",
        "10.0.0.1:8080",
        "1.0.0.1",
        "[::1]:80",
        "[0:0::1]",
        "[::ffff:a00:1]",
    ]
    given = pa.RecordBatch.from_pydict({"host": hosts})
    (out,) = excluded_hosts(iter([given]), (path,))
    assert dict(zip(*out.to_pydict().values(), strict=True)) == {
        "b.org": "b.org",
        "a.b.org:80": "b.org",
        "z.a.b.org.": "b.org",
        "x.c.org": "x.c.org",
        "0xa.1": "10.0.0.1",
        "10.0.0.1:8080": "10.0.0.1",
        "[::ffff:a00:1]": "10.0.0.1",
        "[::1]:80": "::1",
        "[0:0::1]": "::1",
    }
    assert [out.num_rows for out in excluded_hosts(iter([given]), ())] == [0]


def test_a_host_that_two_exclusions_name_has_a_row_for_each(tmp_path):
    named = [{"kind": "host", "value": value} for value in ("b.org", "a.b.org", "c.org")]
    path = tmp_path / "exclusion.parquet"
    pq.write_table(rows("exclusion", *named), path)
    given = pa.RecordBatch.from_pydict({"host": ["x.a.b.org"]})
    (out,) = excluded_hosts(iter([given]), (path,))
    assert out["value"].to_pylist() == ["a.b.org", "b.org"]


def test_a_list_in_another_encoding_is_refused_with_the_cure(tmp_path):
    (tmp_path / "list.txt").write_bytes("# für\na.org\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"list.txt: .*; save it in UTF-8"):
        read_paths(tmp_path / "list.txt")
