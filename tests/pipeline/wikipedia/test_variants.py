"""One variant of a text in several scripts, as MediaWiki's ConverterRule chooses."""

import pytest

from pipeline.wikipedia import plain_text
from pipeline.wikipedia.variants import one_variant


@pytest.mark.parametrize(
    ("wikitext", "expected"),
    [
        ("十六个-{zh-hans:联邦州; zh-hant:邦}-之一", "十六个联邦州之一"),
        ("-{zh-hant:邦; zh-hk:州}-", "邦"),
        ("-{zh-tw:計程車;zh-cn:出租车;zh-hk:的士;}-", "出租车"),
        ("-{zh:中;zh-tw:臺}-", "中"),
        ("a -{R|只}- b -{只}- c", "a 只 b 只 c"),
        ("a-{H|zh-cn:甲;zh-tw:乙}-b-{T|zh:题}-c-{-|zh:x}-d", "abcd"),
        ("-{A|zh-cn:甲;zh-tw:乙}-", "甲"),
        ("-{D|zh-cn:甲;zh-tw:乙}-", "甲; 乙"),
        ("-{zh-hans;zh-hant|甲}-", "甲"),
        ("-{H|巨集=>zh-cn:宏;}-a", "a"),
        ("-{巨集=>zh-cn:宏}-", "宏"),
        ("-{zh-hans:[[计算机|机]]; zh-hant:[[電腦]]}-", "机"),
        ("-{zh-hans:甲-{乙}-;zh-hant:丙}-", "甲乙"),
        ("-{zh-hans:{{lang|en|a}};zh-hant:b}-", "a"),
        ("-{zh-hans:A &amp; B;zh-hant:C}-", "A & B"),
        ("-{}-", ""),
        # Serbian, Kazakh, Uzbek
        ("-{sr-el:Beograd;sr-ec:Београд}-", "Београд"),
        ("-{kk-latn:Astana;kk-cyrl:Астана}-", "Астана"),
        ("-{uz-cyrl:Тошкент; uz-latn:Toshkent}-", "Toshkent"),
        # codes as browsers write them (MediaWiki's validateVariant), not those of no variant
        ("-{zh-CN:甲;zh-TW:乙}-", "甲"),
        ("-{zh-Hant:邦; zh-Hans:州}-", "州"),
        ("-{sr-Latn:Beograd; sr-Cyrl:Београд}-", "Београд"),
        ("-{ER: a; b}-", "ER: a; b"),
        # zhconv's examples, and those of XOWA's Vnt_convert_lang__syntax__tst
        ("电子计算-{}-机所取代", "电子计算机所取代"),
        ("-{zh-hant:資訊工程;zh-hans:计算机工程学;}-是电子工程的", "计算机工程学是电子工程的"),
        ("-{H|cn_k=>zh-cn:cn_v}-cn_k -{zh-hans:a;zh-hant:b}-", "cn_k a"),
        # no variants
        ("20-{{convert|30|km}}", "20-30 km"),
        ("a -{ b", "a -{ b"),
    ],
)
def test_one_variant_stays(wikitext, expected):
    assert plain_text(wikitext) == expected


@pytest.mark.parametrize("run", [" ", "a", "=", ";", "zh:", "=>"])
def test_long_rules_are_read_once(run):
    # Hours where blanks are shared out in each way.
    assert one_variant("-{" + run * 200_000 + "甲}-").endswith("甲")
