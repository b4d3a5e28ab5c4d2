"""The charset of a page: every label of the web, where it may be declared, and guesses."""

import codecs

import pytest
from webencodings import LABELS, lookup

from pipeline.sources.charsets import CODECS, LATE_BYTES, decoded, in_utf_8
from pipeline.sources.locales import CHARSETS, COUNTRIES
from tests.pipeline.sources.crawl.test_crawl import IMG, packed, record, rows_of

# Browsers show nothing of the first six, and read the seventh as if it had no letters.
UNREAD = {
    "csiso2022kr",
    "hz-gb-2312",
    "iso-2022-cn",
    "iso-2022-cn-ext",
    "iso-2022-kr",
    "replacement",
}
UNREAD |= {"x-user-defined"}
LONG = " " * 1_024
TEXTS = {
    "cp1251": "Маяк на скалистом берегу моря",
    "koi8-r": "Маяк на скалистом берегу моря",
    "cp932": "岩の多い海岸にある灯台",
    "euc_jp": "岩の多い海岸にある灯台",
    "iso2022_jp": "岩の多い海岸にある灯台",
    "gb18030": "海边岩石上的灯塔和老城区",
    "big5hkscs": "海邊岩石上的燈塔和老城區",
    "cp949": "바위 해안의 등대와 구시가지",
    "cp874": "ประภาคารบนชายฝั่งหิน",
    "cp1253": "Φάρος σε βραχώδη ακτή",
    "cp1255": "מגדלור על חוף סלעי",
    "cp1256": "منارة على ساحل صخري",
    "cp1250": "Latarnia morska na skalistym wybrzeżu, gdzie stoją łodzie",
}


def test_all_labels_of_the_encoding_standard_are_known():
    assert set(LABELS) == set(CODECS) | UNREAD
    assert len(LABELS) == 228
    for label, codec in CODECS.items():
        expected = lookup(label).codec_info.name
        # gb18030 holds all of gbk; the standard's decoder of both is one.
        assert codecs.lookup(codec).name == {"gbk": "gb18030"}.get(expected, expected), label


@pytest.mark.parametrize("label", ["windows-874", " DOS-874 ", '"TIS-620"', "iso-8859-11"])
def test_a_thai_page_is_read_by_any_of_its_labels(tmp_path, label):
    html = '<img src="a.jpg" alt="ประภาคาร">'.encode("cp874")
    (raw,) = rows_of(tmp_path, packed(record(html, f"Content-Type: text/html; charset={label}")))
    assert raw.caption == "ประภาคาร"
    assert raw.extra is None


@pytest.mark.parametrize(
    "declared",
    [
        '<meta charset="windows-1251">',
        "<META CHARSET=windows-1251 />",
        "<meta http-equiv=content-type content='text/html; charset=windows-1251'>",
        '<meta content="text/html;charset = windows-1251" http-equiv="Content-Type">',
        '<!-- <meta charset="iso-8859-1"> --><meta charset="windows-1251">',
        '<script>var a = "<meta charset=iso-8859-1>"</script><meta charset=windows-1251>',
        '<title><meta charset="l1"></title><meta charset="windows-1251">',
        "<a title='<meta charset=iso-8859-1>'><meta charset=windows-1251>",
        '<meta name="description" content="charset=l1"><meta charset="windows-1251">',
        '<meta charset="no-such-thing"><meta charset="windows-1251">',
        '<?xml version="1.0" encoding="windows-1251"?><html>',
        "<?xml version='1.0' encoding='windows-1251' standalone='yes'?><html>",
        LONG + '<meta charset="windows-1251">',  # late, which browsers obey, too
        # a comment stands first
        "<!-- " + LONG + ' --><meta charset="windows-1251">',
    ],
)
def test_a_page_declares_its_charset_outside_of_comments_and_scripts(declared):
    page = f"{declared}<p>Маяк"
    assert decoded(page.encode("cp1251"), None) == (page, None)


@pytest.mark.parametrize(
    ("body", "server", "text"),
    [
        ("é".encode("utf-16"), "iso-8859-1", "é"),  # the byte order mark is first
        ("\ufeffé".encode(), "iso-8859-1", "é"),
        ("<meta charset=l1>é".encode(), "utf-8", "<meta charset=l1>é"),  # then the server
        ("<meta charset=utf-16>é".encode(), None, "<meta charset=utf-16>é"),
        (f"{LONG}<meta charset=l1>é".encode(), None, f"{LONG}<meta charset=l1>é"),
        ('<?xml version="1.0"?>é'.encode("utf-16-le"), None, '<?xml version="1.0"?>é'),
        (b"caf\xc3\xa9 \xe6\x97", None, "café \ufffd"),  # cut within a character
    ],
)
def test_the_order_is_that_of_browsers(body, server, text):
    assert decoded(body, server) == (text, None)


@pytest.mark.parametrize("codec", TEXTS)
def test_where_no_charset_is_declared_a_guess_is_made_and_recorded(tmp_path, codec):
    html = f'<html><img src="a.jpg" alt="{TEXTS[codec]}"><p>{TEXTS[codec]}'
    (raw,) = rows_of(tmp_path, packed(record(html.encode(codec))))
    assert raw.caption == TEXTS[codec]
    assert raw.extra == {"guessed_charset": codec}


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("Une crêperie où l'on mange à Besançon", "cp1252"),
        ("L’été à la mer – « bateau »", "cp1252"),
        ("ÉGLISE SAINT-ÉTIENNE", "cp1252"),
        ("Il caffè è già là", "cp1252"),
        ("Fågel på väg över ån", "cp1252"),
        ("Łódź nocą", "cp1250"),
        ("Źrebię i żaba", "cp1250"),
        ("Egy kislány őszi erdőben", "cp1250"),
        ("Рыжий кот на окне", "cp1251"),
        ("Güneşli bir gün", "cp1254"),
    ],
)
def test_a_guess_of_a_short_text_is_what_reads_as_people_write(text, codec):
    page = f'<img src="a.jpg" alt="{text}"><p>{text}'
    assert decoded(page.encode(codec), None) == (page, codec)


SHORT = [  # (language, charset, text), of which statistics alone know three in four
    *(("cs", "cp1250", "Čaj"), ("cs", "iso8859-2", "Šálek čaje"), ("sk", "cp1250", "Ľud")),
    *(("pl", "iso8859-2", "wiśnia"), ("pl", "cp1250", "wiśnia"), ("hu", "cp1250", "tűz")),
    *(("tr", "cp1254", "Şeker"), ("tr", "cp1254", "ağaç"), ("lv", "cp1257", "Kaķis")),
    *(("ru", "koi8-r", "Дом"), ("uk", "cp1251", "Їжак"), ("el", "cp1253", "Σπίτι")),
    *(("ja", "cp932", "猫"), ("ko", "cp949", "고양이"), ("th", "cp874", "แมว")),
    *(("fr", "cp1252", "Noël"), ("es", "cp1252", "Año"), ("vi", "cp1258", "mèo")),
]
WRONG = [  # languages that templates state, whatever the text is in
    *(("fr", "cp1251", "Привет"), ("de", "cp1250", "Łódź"), ("de", "cp932", "猫の絵")),
    *(("it", "cp1253", "Σπίτι"), ("en", "cp1250", "Łódź"), ("xx", "cp1252", "Größe")),
]


@pytest.mark.parametrize(("language", "codec", "text"), [*SHORT, *WRONG])
def test_a_short_text_is_of_a_charset_of_its_language_if_it_can_be(language, codec, text):
    """chardet/chardet #87 and jawah/charset_normalizer #571: Czech and Polish read as Western."""
    stated = f'<html class=x lang="{language}-XX"><img alt="{text}">'
    content, guess = in_utf_8(stated.encode(codec), None)
    assert content.decode() == stated
    assert guess in CODECS.values()
    plain = f'<img alt="{text}">'
    assert in_utf_8(plain.encode(codec), None, f"{language}, en")[0].decode() == plain


def test_the_country_of_a_host_is_the_last_that_is_asked():
    page = '<img alt="Čaj">'.encode("cp1250")
    assert in_utf_8(page, None, None, "http://www.caj.cz:80/a")[0].decode() == '<img alt="Čaj">'
    assert in_utf_8(page, None, "fr", "http://www.caj.cz/")[0].decode() == '<img alt="Èaj">'
    assert in_utf_8(page, None, None, "http://[x")[1] is not None


def test_a_long_text_is_what_statistics_say_whatever_language_is_stated():
    text = "<html lang=cs><p>" + "Pâté, crème brûlée et œufs à la coque pour Noël à Besançon. " * 9
    assert decoded(text.encode("cp1252"), None) == (text, "cp1252")


def test_every_charset_of_a_language_is_one_of_the_web_s():
    named = {charset for charsets in CHARSETS.values() for charset in charsets.split()}
    assert named <= {*CODECS.values()}
    assert {code or country for country, code in COUNTRIES.items()} <= CHARSETS.keys()


def test_utf_8_is_no_guess(tmp_path):
    (raw,) = rows_of(tmp_path, packed(record(IMG.replace(b"kite", "маяк".encode()))))
    assert (raw.caption, raw.extra) == ("маяк", None)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("start", [b"<!--", b"<meta ", b"<script>", b'<a "', b"\xff<", b"\xff'="])
def test_a_charset_is_sought_and_guessed_in_linear_time(start):
    text, _ = decoded(start * (4_000_000 // len(start)), None)
    assert len(text) >= LATE_BYTES


@pytest.mark.parametrize(
    "attributes",
    [
        b"a" * 60_000,
        b"a =  " * 12_000,
        b"a='\"" * 15_000,
        b"http-equiv=content-type content='charset=" + b" " * 60_000 + b"'",
    ],
)
def test_a_long_meta_is_read_once(attributes):
    page = b"<html><meta " + attributes + b"><p>caf\xe9 au lait</p>"
    for _ in range(20):  # many minutes where a name may begin at each byte
        assert decoded(page, None)[0].endswith("café au lait</p>")
