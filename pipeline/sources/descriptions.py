"""What a site says of a picture in HTML, as the text that a reader sees, in one language.

Pages of Wikimedia Commons have a block for each language, `<div lang="de">`, with the language's
name in front. A wiki gives the blocks apart, or all of them in one value.
"""

import re
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode

LONGEST_HTML = 100_000  # characters of a description that are read: 60 languages have 60,000
SPACES = re.compile(r"\s+")
UNSEEN = "script, style, template, [hidden], [style*='display:none'], [style*='display: none']"
BLOCKS = "br, p, div, li, dt, dd, td, th, tr, h1, h2, h3, h4, h5, h6"
# Blocks that may be of a language; a `span` is a foreign word in the middle of a sentence.
IN_LANGUAGE = {"div", "p", "section"}


def text_of_html(html: Any) -> str:
    """The text that a reader of the HTML sees, in one line; '' for a value that is no text.

    >>> text_of_html('A <b>red</b> kite<br>over <i>Wales</i> &amp; <script>1</script>England')
    'A red kite over Wales & England'
    """
    tree = _tree(html)
    return _text(tree) if tree else ""


def in_language(value: Any, language: str) -> str:
    """A description as plain text: in this language where it has languages, else as it is.

    >>> in_language({"de": "Rotmilan", "en": "<i>Red</i> kite", "_type": "lang"}, "en")
    'Red kite'
    >>> in_language({"de": "Rotmilan"}, "en"), in_language("Red kite", "en")
    ('', 'Red kite')
    >>> in_language('<div lang="de">Rotmilan</div><div lang="en">Red kite</div>', "en")
    'Red kite'
    """
    if not isinstance(value, dict):
        return _chosen(value, language)
    kinds = [key for key in value if key.startswith(f"{language}-")]  # such as en-gb
    texts = (_chosen(value.get(key), key) for key in (language, *kinds))
    return next(filter(None, texts), "") or _chosen(value.get("x-default"), language)


def _chosen(html: Any, language: str) -> str:
    """The text of the blocks in this language, else of what is in no such block."""
    tree = _tree(html)
    texts = _by_language(tree.body) if tree and tree.body else {}
    kinds = sorted(tag for tag in texts if tag.startswith(f"{language}-"))
    return next(filter(None, (texts.get(tag) for tag in (language, *kinds, ""))), "")


def _by_language(body: LexborNode) -> dict[str, str]:
    """The text of the blocks of each language; at "" that outside of them. Each node counts once.

    >>> tree = LexborHTMLParser("Intro <div lang=pt_BR>gato<p lang=en>cat</div><div lang>end")
    >>> _by_language(tree.body)
    {'': 'Intro end', 'pt-br': 'gato', 'en': 'cat'}
    """
    texts: dict[str, list[str]] = {}
    waiting: list[tuple[LexborNode, str]] = [(body, "")]
    while waiting:
        node, tag = waiting.pop()
        if node.tag == "-text":
            texts.setdefault(tag, []).append(node.text_content or "")
            continue
        attributes = node.attributes
        if node.tag in IN_LANGUAGE and "lang" in attributes:
            tag = (attributes["lang"] or "").strip().lower().replace("_", "-")
        named = "language" in (attributes.get("class") or "").split() and node.tag == "span"
        if not (tag and named):  # "English:", in front of the text
            waiting += [(child, tag) for child in reversed(list(node.iter(include_text=True)))]
    return {tag: _seen("".join(pieces)) for tag, pieces in texts.items()}


def _tree(html: Any) -> LexborHTMLParser | None:
    """The HTML without what no reader sees, with spaces around its blocks."""
    if not isinstance(html, str) or not html.strip():
        return None
    tree = LexborHTMLParser(html[:LONGEST_HTML].encode("utf-8", "replace"))
    for node in tree.css(UNSEEN):
        node.decompose()
    for node in tree.css(BLOCKS):
        node.insert_before(" ")
        node.insert_after(" ")
    return tree


def _text(tree: LexborHTMLParser) -> str:
    return _seen(tree.body.text()) if tree.body else ""


def _seen(text: str) -> str:
    return SPACES.sub(" ", text).strip()
