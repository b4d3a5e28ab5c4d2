"""Templates that show words, and the break that all others leave."""

import pytest

from pipeline.query_list.ngrams import count_words
from pipeline.wikipedia import plain_text
from pipeline.wikipedia.site import site_of
from pipeline.wikipedia.templates import MOST_NAMES, Shapes


@pytest.mark.parametrize(
    ("wikitext", "expected"),
    [
        ("Paris{{snd}}Rome 1990{{ndash}}2000", "Paris – Rome 1990–2000"),
        ("a {{lang|fr|[[Paris|la ville]]}} b", "a la ville b"),
        ("{{Nowrap|{{convert|10|km|mi}} away}}", "10 km away"),
        ("{{lang-de|Donau}} and {{langx|la|Danubius}}", "Donau and Danubius"),
        ("{{formatnum:1234567}} men, {{lc:ABC}}", "1234567 men, ABC"),
        ("a {{formatnum:{{#expr:1+{{x|{{y}}}}}}}} b {{uc:{{lang|fr|c}}}}", "a … b c"),
        ("a {{small|b=c|1=d}} {{nbsp}}e", "a d  e"),
        ("{{ill|Anna Ek|sv|lt=Ek}} and {{ill|Bo|de}}", "Ek and Bo"),
        ("dog{{sfn|Ek|2001}}house", "dog … house"),
        ("1990<ref>a</ref>2000 <ref>b</ref>c", "1990 … 2000 … c"),
        ("dog{{sfn|Ek|2001|p=3}} house{{cn|date=May 2020}}.", "dog house."),
        ("in {{circa|1990}} {{HMS|Victory|1765}} sank", "in c. 1990 HMS Victory sank"),
        ("{{transl|ja|Tōkyō}} or {{sfrac|1|2}}", "Tōkyō or 1/2"),
        # wikiextractor issues 98 and 275, bwbaugh/wikipedia-extractor 1, wtf_wikipedia 254,
        # textacy 227: words that their readers lost
        ("is {{convert|93|m|ft|abbr=off|sp=us}} high", "is 93 m high"),
        ("The {{nihongo|'''Women's League'''|女子|lead=yes}} is", "The Women's League (女子) is"),
        ("At {{convert|1300|mi|km}}, Alabama", "At 1300 mi, Alabama"),
        ("over {{cvt|1,000,000|ha|acre}} of [[Park|parks]]", "over 1,000,000 ha of parks"),
        (
            "in {{w|nuclear weapon|nuclear weapons}} and {{w|power}}.",
            "in nuclear weapons and power.",
        ),
    ],
)
def test_templates_inside_sentences_show_their_words(wikitext, expected):
    assert plain_text(wikitext) == expected


@pytest.mark.parametrize(
    ("language", "wikitext", "expected"),
    [
        ("de", 'die {{"|Donau}}, {{enS|river}} {{Höhe|300}}', "die Donau, river 300"),
        (
            "fr",
            "{{XVIIIe siècle}} au {{s-|XIX|e}} le {{date|14|juillet|1789}}",
            "XVIIIe siècle au XIXe siècle le 14 juillet 1789",
        ),
        # wikiextractor issue 32
        (
            "fr",
            "L'{{japonais|'''aïkibudo'''|合気武道|aikibudō}} est",
            "L'aïkibudo (合気武道, aikibudō) est",
        ),
        (
            "ja",
            "{{読み仮名|'''東京'''|とうきょう}}は{{仮リンク|都|en|Metropolis}}",
            "東京 (とうきょう)は都",
        ),
        ("ru", "река {{lang-de|Donau}}{{нет АИ}}, {{нп5|Приток|приток}}", "река Donau, приток"),
        ("ru", "и {{нп3|Приток||de|Zufluss}}", "и Приток"),
        ("uk", "та {{нп|Притока|притоки|de}}", "та притоки"),
        ("zh", "{{tsl|en|Foo|福}}{{le|巴|Bar}}", "福巴"),
        ("fr", "le XIX{{e}} et le 2{{nde}}, {{nombre|10|hommes}}", "le XIXe et le 2nde, 10 hommes"),
        ("fr", "{{abr|av.|avant}} {{lien|trad=A|fr=Bo|texte=Ba}}, {{Mme|Ek}}", "av. Ba, Mme Ek"),
        ("fr", "{{lien|Bo|en|A}} {{lang|en|texte=dog}} {{citation bloc|chien}}", "Bo dog chien"),
        ("it", "{{M|10|u=km}}, {{M|10||km}}, {{M|10|k|m}}, {{M|10}}", "10 km, 10 km, 10 km, 10"),
        ("pt", "{{fmtn|1000|km}}", "1000 km"),
        ("ar", "كلب {{إنج|dog}} {{وإو|عر=قط|تر=Cat|لغ=en}}", "كلب dog قط"),
        ("tr", "{{dil|de|Hund}}", "Hund"),
        ("en", "Hawai{{okina}}i {{chem2|H2O}} a<section begin=x /> b", "Hawaiʻi H2O a b"),
        ("es", "el {{siglo|XIX}} {{unidad|10|km}}", "el XIX 10 km"),
    ],
)
def test_a_language_has_templates_of_its_own(language, wikitext, expected):
    assert plain_text(wikitext, site_of(language)) == expected


@pytest.mark.parametrize(
    "wikitext",
    [
        "Paris{{flagg|it}}Rome",
        "Paris {{HMS-like|{{x|{{y}}}}}} Rome",
        "Paris[[File:a.jpg|20px]]Rome",
        "Paris [[Archivo:a|20px|[[x]]]] Rome",
        "Paris<math>x</math>Rome",
        "Paris<ref>x</ref>Rome",
        "Paris<ref name=a />Rome",
        "Paris[http://a.b]Rome",
        "Paris http://a.b/c Rome",
        "Paris{{sfn|x}}Rome",
        "Paris<br>Rome",
        "Paris<hr/>Rome",
        "Paris\n{| a\n|}Rome",
    ],
)
def test_words_on_both_sides_of_what_is_removed_are_no_neighbours(wikitext):
    first, *between, last = count_words(plain_text(wikitext))
    assert (first, last) == ("paris", "rome")
    assert between


@pytest.mark.parametrize(
    "wikitext",
    [
        "Paris{{sfn|x}} Rome",
        "Paris<ref>x</ref> Rome",
        "Paris <!-- x -->Rome",
        "Paris {{nowrap begin}}Rome",
        "Paris<nowiki/> Rome",
        "Paris '''Rome'''",
        "Paris <b>Rome</b>",
        "Par&shy;is Rome".replace("&shy;", ""),
    ],
)
def test_a_note_or_a_mark_breaks_no_bigram(wikitext):
    assert count_words(plain_text(wikitext)) == ["paris", "rome"]


def test_a_soft_hyphen_stays_for_the_tokeniser():
    assert plain_text("Donau&shy;dampf Schiff\u00adfahrt") == "Donau\u00addampf Schiff\u00adfahrt"


def test_breaks_stand_at_no_end_of_a_line():
    page = "{{Infobox}}\n'''Dog''' {{x}} {{y}} barks{{z}}\n{{navbox}}\n== {{a}} Life ==\n* {{b}}"
    assert plain_text(page) == "Dog … barks\nLife"
    assert plain_text("a\x01b\x02c\x03d") == "abcd"


def test_a_template_of_a_whole_page_is_a_break():
    assert plain_text("a {{nowrap|{{x}} " + "b " * 2_000 + "}} c") == "a … c"


def test_the_names_of_a_hostile_dump_are_not_kept():
    shapes = Shapes()
    assert {shapes[f"name {n}"] for n in range(2 * MOST_NAMES)} == {None}
    assert len(shapes) == MOST_NAMES
