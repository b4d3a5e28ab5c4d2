"""Personal data that was made up, from ranges that are reserved or documented, in many forms."""

import random
import re
import string

import pyarrow as pa
import pytest

from pipeline.filters.privacy import numbers
from pipeline.filters.privacy.find import KINDS, found, in_url, masked, may_be_in_url, shown, spans

PLANTED = {  # (phone, postal address, number of a person) as each country writes them
    "de": ("030 23125 123", "Musterstr. 1", "IdNr. 36 574 261 809"),
    "fr": ("01 99 00 12 34", "12 rue de la Paix", "1 85 05 78 006 084 91"),
    "gb": ("020 7946 0018", "221B Baker Street", "NHS 943 476 5870"),
    "it": ("06 6982 1234", "Via Giuseppe Garibaldi n. 5", "RSSMRA85T10A562S"),
    "es": ("+34 612 34 56 78", "Calle de Alcalá, 45", "DNI 12345678Z"),
    "nl": ("06-12345678", "Keizersgracht 123", "BSN 111222333"),
    "pl": ("tel. 512 345 678", "ul. Marszałkowska 10", "PESEL 44051401359"),
    "se": ("08-465 004 12", "Storgatan 12", "811228-9874"),
    "br": ("+55 11 91234-5678", "Rua Augusta, 100", "390.533.447-05"),
    "us": ("(202) 555-0143", "742 Evergreen Terrace", "SSN 536-90-4399"),
    "tr": ("0212 555 12 34", "Bağdat Caddesi No: 12", "TC 10000000146"),
    "jp": ("03-1234-5678", "〒100-0001", ""),
    "ru": ("+7 912 345-67-89", "ул. Пушкина, д. 10", ""),
    "fi": ("+358 9 1234567", "", "131052-308T"),
    "be": ("02 512 34 56", "", "85.07.30-033.28"),
    "ch": ("+41 44 668 18 00", "", "756.9217.0769.85"),
    "mx": ("+52 55 1234 5678", "Avenida Reforma 222", "HEGG560427MVZRRL04"),
}
FRAMES = ("{}", "a house by the sea, {}", "{} | photo of a boat", "Boot. {}. Rot")

NEITHER = [  # what stands in captions and looks like it
    "9780340829752: Dark Tower I: The Gunslinger",
    "The Ninemile Wolves (084467267X) by Bass, Rick",
    "Stock Photo #12043266",
    "1970 Dodge Coronet Super Bee for sale 101403863",
    "2010-11 Panini Classics Legends Basketball Card",
    "12/18/2011 at 10:30, 1920 x 1080",
    "Tour of 1914-1918, 2016-12-13",
    "version 3.7.5.8 of 192.168.100.200",
    "EAN 4006381333931, MLS# 71895205",
    "655-12SSCY 35154-65 0.32893747091293335",
    "1 Hour Drive, 5 Star Place, 2 Bedroom Court, 3 Way Light Switch",
    "Route 66 Drive, Via Roma, rue de la Paix, Street art in 3 colours",
    "photo@2x.png by 50 @ 10 €",
    "a dog @ the beach, @2x, Weberknecht@Weberknecht",
    "New Lego® Star™ copyright law",
    "instagram.com/p/ABC facebook.com/sharer.php?u= box.com/erika twitter.com/intent/tweet",
    "DE88 3704 0044 0532 0130 00 4111111111111112 44051401359",
    "LinkedAccountId: 215805592",  # screenpipe/screenpipe#2340
    "UPC 0190074442, at 106.0512973",  # mvanhorn/cli-printing-press#1405
    "since 2024 on port 8080 for $4500000 (2024-07-28)",  # Pulsefy/Soter#874
]


def kinds(text: str, url: str = "") -> list[str]:
    """By both forms."""
    plain = spans(text, url)
    assert found(pa.array([text]), pa.array([url])).get(0, []) == plain
    return [span.kind for span in plain]


@pytest.mark.parametrize("country", PLANTED)
def test_numbers_and_addresses_of_many_countries_are_found(country):
    for kind, text in zip(("phone", "address", "national_id"), PLANTED[country], strict=True):
        for frame in FRAMES if text else ():
            assert kinds(frame.format(text)) == [kind], frame.format(text)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("erika.mustermann@example.org", "email"),
        ("müller@bücher.example.com", "email"),
        ("erika [at] example [dot] org", "email"),
        ("erika(at)example.de", "email"),
        ("IBAN DE89 3704 0044 0532 0130 00 BANK", "iban"),
        ("GB29NWBK60161331926819", "iban"),
        ("4111 1111 1111 1111", "card"),
        ("3782 822463 10005", "card"),
        ("via @paper_kawaii.", "account"),
        ("@erika@mastodon.social", "account"),
        ("https://www.instagram.com/erika_m/", "account"),
        ("http://erika.tumblr.com/", "account"),
        ("Photo © Erika Muster", "copyright"),
        ("(c) 2011 Muster AG", "copyright"),
        ("Alle Rechte vorbehalten", "copyright"),
        ("Tél: 06 12 34 56 78.", "phone"),  # tale-project/tale#1659
        ("Call @ 02261054600", "phone"),
    ],
)
def test_each_kind_is_found(text, kind):
    assert kinds(text) == [kind]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("邮箱erika@example.com电话13812345678", ["erika@example.com", "13812345678"]),
        ("連絡先はerika@example.orgまで", ["erika@example.org"]),
        ("이메일 erika@example.org으로", ["erika@example.org"]),
        ("โทร02-123-4567ครับ", ["02-123-4567"]),
        ("身份证11010519491231002X号", ["11010519491231002X"]),
        ("お問い合わせTEL03-1234-5678まで", ["03-1234-5678"]),
        ("電話０３－１２３４－５６７８", ["０３－１２３４－５６７８"]),
        ("用户@例子.中国", ["用户@例子.中国"]),
        ("Tél. 06\u202f12\u202f34\u202f56\u202f78", ["06\u202f12\u202f34\u202f56\u202f78"]),
        ("+1 (202) 555\u20110143, Tel.:030/1234567", ["+1 (202) 555\u20110143", "030/1234567"]),
        ("写真＠東京ドーム、 ＠東京タワー、1000000円、2019年0123456789番", []),
        ("联系alice@example.com", ["alice@example.com"]),  # langchain-ai/langchain#40002
        ("or bob＠test.org", ["bob＠test.org"]),  # RPBLC-hq/DAM#9
    ],
)
def test_what_stands_beside_letters_without_a_space_or_in_other_forms_is_found(text, pieces):
    assert [text[span.begin : span.end] for span in spans(text)] == pieces
    assert found(pa.array([text]), pa.array([""])).get(0, []) == spans(text)
    assert not any(piece in masked(text, spans(text)) for piece in pieces)


@pytest.mark.parametrize("text", NEITHER)
def test_what_only_looks_like_it_is_not_found(text):
    assert kinds(text) == []


def test_a_number_of_the_hosts_country_needs_no_sign():
    assert kinds("ring 612 345 678", "http://www.example.es/1.jpg") == ["phone"]
    assert kinds("ring 612 345 678", "http://www.example.org/1.jpg") == []


def test_a_mask_hides_all_of_it_and_a_shape_shows_none():
    text = "Ask erika@example.org or 030 1234567, Musterstr. 1"
    assert masked(text, spans(text)) == "Ask *** or ***, ***"
    pieces = [text[span.begin : span.end] for span in spans(text)]
    assert [shown(piece) for piece in pieces] == [
        "e****@e******.o**",
        "### #######",
        "M********. #",
    ]


def test_addresses_of_pictures_are_searched_for_mail_and_accounts_alone():
    urls = {
        "https://a.example/030-1234567/erika%40example.org/a.jpg": ["erika@example.org"],
        "https://www.flickr.com/photos/max/1": ["https://www.flickr.com/photos/max"],
        "http://erika.tumblr.com/avatar.png": ["http://erika.tumblr.com"],
        "https://cdn.example/a_1024x1024@2x.jpg?v=1530935799": [],
        "https://farm7.staticflickr.com/6112/6326800071_be57592c53.jpg": [],
        "https://64.media.tumblr.com/a.jpg": [],
    }
    for url, pieces in urls.items():
        text, there = in_url(url)
        assert [text[span.begin : span.end] for span in there] == pieces
        assert may_be_in_url(pa.array([url]))[0] >= bool(pieces)


@pytest.mark.parametrize(
    "text",
    [
        *("20-12345678-6", "85.07.30-033.28", "390.533.447-05", "756.9217.0769.85", "131052-308T"),
        *("11010519491231002X", "RSSMRA85T10A562S", "1 85 05 78 006 084 91"),
        *("800101-1234567", "HEGG560427MVZRRL04", "1630615123457", "811228-9874", "8001015009087"),
    ],
)
def test_hardly_any_random_number_of_a_form_that_needs_no_name_is_valid(text):
    random.seed(text)
    drawn = {"[0-9]": string.digits, "[A-Z]": string.ascii_uppercase}
    texts = [text] * 1_000
    for form, characters in drawn.items():
        texts = [re.sub(form, lambda _, c=characters: random.choice(c), one) for one in texts]
    assert sum(1 for one in texts if list(numbers.find_national_ids(one))) < 20


def test_time_is_linear_in_hostile_texts():
    """A doubled text takes no more than doubled work: what is searched is bounded."""
    for text in ("@" * 200_000, "0 " * 200_000, "a.b@" * 100_000, "Via A " * 100_000, "©" * 99_999):
        assert len(spans(text)) <= 4_000


def test_both_forms_agree_on_any_mixture():
    random.seed(0)
    pieces = [text for each in PLANTED.values() for text in each if text] + NEITHER
    texts = [" ".join(random.choices(pieces, k=3)) for _ in range(300)]
    urls = ["http://example.de/"] * len(texts)
    plain = {n: there for n, text in enumerate(texts) if (there := spans(text, urls[n]))}
    assert found(pa.array(texts), pa.array(urls)) == plain
    assert {span.kind for there in plain.values() for span in there} >= set(KINDS[4:7])
