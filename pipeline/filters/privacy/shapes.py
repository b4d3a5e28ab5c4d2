"""How e-mail addresses, names of accounts and notices of copyright are written.

Every repetition in a pattern is bounded, so a search is linear in the text.
"""

import re

# Letters of scripts that put no space between words (Thai, Lao, Burmese, Khmer, kana, Chinese), and
# of Korean, which puts particles behind a word: beside them an address or a number begins and ends.
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
)
NOT_BEHIND_LETTER = rf"(?<![^\W{UNSPACED}])"  # letter or digit of any other script
NOT_BEFORE_LETTER = rf"(?![^\W{UNSPACED}])"

SITES = (  # where the first part of a path is a person's name, unless it is a page of the site
    *("facebook", "instagram", "twitter", "x", "tiktok", "pinterest", "soundcloud", "vk", "t"),
    *("github", "threads", "medium", "patreon", "vimeo", "behance", "dribbble", "500px", "twitch"),
)
PAGES = (
    *("p", "reel", "reels", "explore", "search", "hashtag", "intent", "share", "sharer", "pin"),
    *("photo", "photos", "watch", "video", "videos", "status", "home", "about", "login", "tag"),
    *("privacy", "terms", "help", "events", "groups", "pages", "images", "img", "static", "i"),
    *("sharer.php", "photo.php", "media", "music", "public", "wall", "tv", "stories", "dialog"),
)
PATHS = (  # sites where a name stands behind a folder of names
    r"flickr\.com/(?:photos|people)/(?!tags/)",
    r"linkedin\.com/in/",
    r"youtube\.com/(?:user/|c/|@)",
    r"reddit\.com/(?:u|user)/",
    r"bsky\.app/profile/",
    r"(?:[a-z-]{2,12}\.)?(?:wikipedia|wikimedia)\.org/wiki/User:",
    r"last\.fm/user/",
)
NAME = r"[\w.~%\-]{2,40}"
_PAGE = rf"(?:{'|'.join(map(re.escape, PAGES))})(?:[/?#]|$)"
PROFILE = re.compile(
    r"(?<![\w.-])(?:https?://)?(?:(?:www|m|mobile|web)\.)?(?:"
    rf"(?:{'|'.join(SITES)})\.(?:com|net|me|tv)/@?(?!{_PAGE}){NAME}"
    rf"|(?:{'|'.join(PATHS)}){NAME}(?:@N[0-9]{{2}})?"
    r"|[\w-]{2,40}\.(?:deviantart|tumblr|livejournal)\.com(?![\w.])"
    r")",
    re.IGNORECASE,
)
NOT_NAMES = ("www", "about", "help", "static", "assets", "media", "api", "blog", "images")
HANDLE = re.compile(
    r"(?<![\w.@/&])@[^\W\d_]\w{2,29}(?![\w@]|\.\w)"
    r"|(?<![\w.@/])@[\w.]{2,30}@[a-z0-9-]{1,63}\.[a-z]{2,12}"  # of the Fediverse
)

_LOCAL = r"(?<![\w.%+@-])[\w.%+-]{1,64}"
_DOT = r"(?:\.| ?[\[({] ?(?:dot|DOT|\.) ?[\])}] ?| (?:dot|DOT) )"
_SPACED = rf"[^\W{UNSPACED}]"
EMAIL_BESIDE = re.compile(  # with no letter of UNSPACED: what is glued to one is not part of it
    rf"{NOT_BEHIND_LETTER}(?<![.%+@＠-])(?:{_SPACED}|[.%+-]){{1,64}}[@＠]"
    rf"(?P<host>(?:{_SPACED}(?:(?:{_SPACED}|-){{0,61}}{_SPACED})?\.){{1,6}}"
    rf"[^\W\d_{UNSPACED}]{{2,24}}){NOT_BEFORE_LETTER}(?![@＠-])"
)
EMAIL = re.compile(
    rf"{_LOCAL}[@＠](?P<host>(?:[^\W_](?:[\w-]{{0,61}}[^\W_])?\.){{1,6}}[^\W\d_]{{2,24}})(?![\w@＠-])"
    # One that is written for people alone is clear only where "at" is in brackets.
    rf"|{_LOCAL} ?[\[({{] ?(?:at|AT|@) ?[\])}}] ?"
    rf"(?P<spelt>(?:[\w-]{{1,63}}{_DOT}){{1,4}}[a-z]{{2,24}})(?![\w@-])"
)

_REST = r"[^\n|<>]{0,60}"  # whose it is, more or less
COPYRIGHT = re.compile(
    rf"(?:copyright\s{{0,2}})?©\s{{0,2}}{_REST}"
    rf"|\(c\)\s{{0,2}}(?:copyright\s|(?:19|20)[0-9]{{2}}\b){_REST}"
    r"|\bcopyright(?:ed)?\b[:\s]{1,3}(?:by\b|the\b|\(c\)|(?:19|20)[0-9]{2}\b|holder|owner|credit|"
    rf"protected|notice){_REST}"
    r"|\b(?:all rights reserved|alle rechte vorbehalten|tous droits réservés|"
    r"tutti i diritti riservati|(?:todos los derechos|todos os direitos) reservados|"
    r"alle rechten voorbehouden|wszelkie prawa zastrzeżone|все права защищены)",
    re.IGNORECASE,
)
