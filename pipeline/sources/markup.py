"""The text of captions that still hold HTML: entities unescaped, tags taken out.

Tables of alternative texts hold what stood between the quotes of the page's source: LAION's have
`&amp;`, `&#39;` and `<br />` in one caption of a hundred. A parser of HTML would guess at half an
entity or a lonely `<`, which in captions are text. Here only whole entities and tags with the name
of an element of HTML are markup. Each pattern reads a character once, whatever stands before it.
"""

import html
import re
from html.entities import html5

ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
# Between the texts of these elements a reader sees a break, around others nothing.
BREAKS = (
    "address|article|aside|blockquote|br|caption|center|dd|div|dl|dt|fieldset|figcaption|figure|"
    "footer|form|h[1-6]|header|hr|iframe|img|li|main|nav|ol|option|p|pre|section|select|table|"
    "tbody|td|tfoot|th|thead|tr|ul"
)
INLINE = (
    "abbr|acronym|a|big|button|bdi|bdo|b|cite|code|del|dfn|em|font|ins|input|i|kbd|label|mark|"
    "noscript|object|param|picture|q|samp|small|source|span|strike|strong|sub|sup|svg|s|time|tt|"
    "u|var|wbr"
)
MOST_ESCAPES = 4  # of one caption
UNSEEN = "script|style"  # with what stands behind them, up to the next tag
# A tag ends with >, or at the end of a caption that was cut inside the value of an attribute.
END = r"(?=[\s/>])[^<>=]*+(?:>|=[^<>]*+(?:>|\Z))"
TAG = re.compile(
    rf"(?P<breaks></?(?:{BREAKS}){END})|</?(?:{INLINE}){END}|<(?:{UNSEEN}){END}[^<]*+"
    rf"|</(?:{UNSEEN}){END}|<!--[^<>]*+>",
    re.IGNORECASE | re.ASCII,
)


def text_of_markup(caption: str) -> str:
    """The caption as a reader of the page sees it; one without markup is unchanged.

    What unescaping brings to light is HTML, too: pages escape a caption's tags where they make an
    attribute of it, and programs that pass a caption on escape it again.

    >>> text_of_markup("Tom &amp; Jerry&#39;s <b>H<sub>2</sub>O</b><br/>&copy=3, a < b")
    "Tom & Jerry's H2O &copy=3, a < b"
    """
    if "&" not in caption and "<" not in caption:
        return caption
    bare, before = caption, ""
    for _ in range(MOST_ESCAPES):
        before, bare = bare, ENTITY.sub(_character, TAG.sub(_seen, bare))
        if bare == before:
            break
    bare = TAG.sub(_seen, bare)
    return caption if bare == caption else " ".join(bare.split())


def unescaped(text: str) -> str:
    """The text with whole entities unescaped once; `&copy=3` of an address stays.

    >>> unescaped("/a.jpg?b=1&amp;copy=2&copy=3"), unescaped("kite&#39;s")
    ('/a.jpg?b=1&copy=2&copy=3', "kite's")
    """
    return ENTITY.sub(_character, text) if "&" in text else text


def _seen(tag: re.Match[str]) -> str:
    return " " if tag["breaks"] else ""


def _character(entity: re.Match[str]) -> str:
    """The characters that a whole entity stands for; itself where HTML has no such name."""
    name = entity[0][1:]
    return html.unescape(entity[0]) if name[0] == "#" else html5.get(name, entity[0])
