"""The closed list of reasons: why a row is dropped. Every `reason` column holds one of these.

A reason is added here first; a test holds that no table knows another.
"""

from collections.abc import Mapping

PAGE = {
    "not_article": "page outside namespace 0",
    "redirect": "page that only points to another",
    "bad_page": "page that does not parse, or lacks a title or a text",
    "not_wikitext": "page of data or of a program: JSON, CSS, JavaScript, Lua",
    "bad_stream": "a place where a file is damaged; of an XML export the next page is read",
}
VIEW = {
    "bad_line": "line of page views that does not parse",
    "other_wiki": "line of page views of another wiki",
    "no_name": "title of a list, a main page or another namespace, or no title: it names nothing",
}
SYNSET = {"no_lemma": "synset without a word"}
COLLECT = {
    "row_invalid": "line of a table that does not parse",
    "url_missing": "row without an address",
    "url_invalid": "address that is no http or https URL with a host",
    "file_bomb": "file that unpacks to far more than a table does, or has a line without an end",
    "bad_record": "crawled page that cannot be read",
    "not_a_page": "crawled answer that is no HTML: a picture, a script, a feed",
    "record_missing": "record of a crawl that its index names and the server or file does not have",
    "revisited": "crawled answer that was the same before: the record says so and has no page",
    "no_picture": "crawled page that was read and has no picture with a text",
    "search_failed": "a search that the server answered with an error",
    "not_a_picture": "file found by a search that is a sound, a film or a document",
    "caption_missing": "row without a caption",
    "caption_invalid": "caption that is not UTF-8 text",
    "not_downloaded": "row that img2dataset could not download or store: error_message says why",
    "picture_missing": "sample of a download whose picture is not in its files",
    "hash_invalid": "a stated hash of the picture that is no md5, sha1 or sha256",
    "taken_down": "a takedown names it: only its ids are left",
}
OPTED_OUT = {
    "opted_out": "the crawled page, or the server, asks not to use it: noai, a reservation",
}
PERSONAL = {  # by the settings' [privacy], where they say drop
    "personal_email": "an e-mail address in the caption or the picture's address",
    "personal_account": "the name of somebody's account, or an address of a profile",
    "personal_iban": "the number of a bank account, by its check digits",
    "personal_card": "the number of a payment card, by its issuer and check digit",
    "personal_national_id": "the number by which a state knows a person, by its check digits",
    "personal_phone": "a telephone number",
    "personal_address": "a postal address: a street with a number",
    "personal_copyright": "a copyright notice in the caption",
}
FILTER = {
    "url_bad_host": "host that no name server can know: a part empty or too long, a wrong number",
    "url_private_host": "host of a private network: an address or a name that is not public",
    "url_not_picture": "file name ending of a page, a film, an archive",
    "caption_too_short": "fewer words or characters than the settings ask for",
    "caption_too_long": "more words or characters than the settings allow",
    "caption_is_url": "an address instead of a description",
    "caption_is_file_name": "a file or camera name instead of a description",
    "caption_mojibake": "characters lost, or read in a wrong character set",
    "caption_mostly_digits": "fewer letters than the settings ask for",
    "caption_placeholder": "words such as image or no photo, or code, which describe nothing",
    "caption_repeats": "most of its words repeat earlier ones",
    "caption_blocked": "contains a word of a list of blocked words",
    **OPTED_OUT,
    "wrong_script": "its letters are of scripts in which no wanted language is written",
    "wrong_language": "another language is clearly likelier than the wanted ones",
    **PERSONAL,
}
# The languages that have a list of placeholders: pipeline/filters/placeholders.toml.
PLACEHOLDER_LANGUAGES = frozenset(
    (
        *("ar", "bg", "ca", "cs", "da", "de", "el", "en", "es", "et", "fa", "fi", "fr", "he"),
        *("hi", "hr", "hu", "id", "it", "ja", "ko", "lt", "lv", "nl", "no", "pl", "pt", "ro"),
        *("ru", "sk", "sl", "sr", "sv", "th", "tr", "uk", "vi", "zh"),
    )
)
POOL = {
    "id_collision": "another pair has the same pair_id",
    "pair_seen": "the same URL and caption came before",
    "excluded": "an exclusion names its URL, host (or a domain above), id, bytes or picture",
    "caption_boilerplate": "the caption of more pictures of its host than boilerplate_max",
}
MATCH = {
    "no_query": "the caption contains no query",
    "url_seen": "another caption of the same URL contains a query and stands earlier in the order",
    "over_quota": "most_pairs pairs of its language stand earlier in the order",
}
# Of a signal about training that the settings obey, but for those of `opted_out` and `robots`.
BY_SIGNAL = {
    "opted_out_tdm_reservation": "a header or the host's tdmrep.json reserves text and data mining",
    "opted_out_content_signal": "the host's robots.txt says Content-Signal: ai-train=no",
    "opted_out_content_usage": "a header, or the host's robots.txt, says Content-Usage: train-ai=n",
    "opted_out_xmp": "the picture's XMP prohibits data mining (IPTC and PLUS)",
    "opted_out_c2pa": "an assertion of C2PA or CAWG in the picture does not allow training",
    "opted_out_ai_crawlers": "the host's robots.txt refuses a crawler that gathers for training",
}
FETCH = {
    "not_found": "HTTP 404 or 410",
    "forbidden": "HTTP 401, 403 or 451",
    "http_error": "another HTTP error",
    "retry_later": "the server asks for a wait longer than max_wait_s",
    "timeout": "no whole answer within the deadline",
    "no_such_host": "name servers say that there is no such name",
    "resolver_failed": "no name server answered for the host's name",
    "refused": "the host refuses connections",
    "connect_timeout": "the host does not answer a connection in time",
    "host_unreachable": "no way leads to the host's address; in 0.1.0 all of these five",
    "connection_error": "the connection broke off, or its answer is no HTTP",
    "tls_expired": "the host's certificate is past its dates, or not yet valid",
    "tls_wrong_name": "the host's certificate is for another name",
    "tls_untrusted": "the host's certificate is signed by nobody known",
    "tls_error": "no encrypted connection came about for another cause",
    "bad_url": "what cannot be asked for: no http or https, a user name, a strange host or port",
    "private_address": "the host's address is private, reserved or disguised, or a redirect's is",
    "bad_redirect": "redirected to what cannot be asked for",
    "too_many_redirects": "more redirects than max_redirects, or in a circle",
    "too_large": "a body of more than max_bytes, as sent or unpacked",
    "headers_too_large": "headers of more lines or bytes than are read",
    "bad_encoding": "the body is packed in a way that was not asked for",
    "robots": "the host's robots.txt forbids it, or there is none and the settings require one",
    "robots_error": "the host's robots.txt could not be read, which forbids asking",
    **OPTED_OUT,
    **BY_SIGNAL,
    "content_changed": "the bytes are not those that the source hashed (check_hash)",
    "not_compared": "fetched before a list of exclusions asked for its md5 or sha1",
    "bad_metadata": "XMP with entities, or larger or deeper than any picture's: nobody parses it",
    "not_an_image": "the answer is no picture of a known type",
    "svg": "the answer is a drawing in SVG, a program more than a picture",
    "heic": "a photograph in HEIC, which is read where `pillow-heif` is installed",
    "jpeg_xl": "a picture in JPEG XL, which is read where `pillow-jxl-plugin` is installed",
    "too_many_pixels": "the header promises more pixels than max_pixels",
    "image_damaged": "the picture's data are cut off or damaged",
    "image_unsupported": "a picture of a rare type or variant: PSD, PNM, floats, 12 bits in a JPEG",
    "fetch_error": "a failure of another kind; the fetch log names it",
}
# What may pass, so that asking again is worth it: `--retry passing`.
PASSING = (
    *("no_such_host", "resolver_failed", "refused", "connect_timeout", "host_unreachable"),
    *("timeout", "connection_error", "http_error", "fetch_error"),
    *("retry_later", "robots_error", "not_compared"),
)
IMAGE = {
    "image_too_small": "a side of the original is shorter than min_side",
    "image_aspect": "the original's sides differ by more than max_aspect",
    "image_uniform": "the picture is all but one colour",
    "image_score": "a scorer of the settings gives the picture a score beyond its limits, or none",
    "near_duplicate": "a kept pair earlier in the order has all but the same picture",
    "not_needed": "fetched, but every query of the pair was full before it",
}

REASONS: dict[str, str] = {
    **PAGE,
    **VIEW,
    **SYNSET,
    **COLLECT,
    **FILTER,
    **POOL,
    **MATCH,
    **FETCH,
    **IMAGE,
}


NOT_ASKED_FOR = "not_asked_for"  # no loss of a table: a pair that stands beyond every cap
EXPLAINED = {
    **REASONS,
    NOT_ASKED_FOR: "a pair that nobody needed: earlier pairs fill every one of its queries",
}
# The setting that decides a reason, where one does; others cannot be turned off.
SETTING_OF = {
    "url_bad_host": "filters.drop_bad_hosts",
    "url_private_host": "filters.allow_private_hosts",
    "url_not_picture": "filters.not_pictures",
    "caption_too_short": "filters.min_words",
    "caption_too_long": "filters.max_words",
    "caption_is_url": "filters.drop_urls",
    "caption_is_file_name": "filters.drop_file_names",
    "caption_mojibake": "filters.drop_mojibake",
    "caption_mostly_digits": "filters.min_letter_share",
    "caption_placeholder": "filters.placeholders",
    "caption_repeats": "filters.max_repeated_share",
    "caption_blocked": "filters.blocked_words",
    "wrong_script": "filters.languages",
    "wrong_language": "filters.languages",
    "caption_boilerplate": "filters.boilerplate_max",
    "excluded": "exclusions",
    "opted_out": "consent.robots_tag",
    **{reason: f"privacy.{reason.removeprefix('personal_')}" for reason in PERSONAL},
    **{reason: f"consent.{reason.removeprefix('opted_out_')}" for reason in BY_SIGNAL},
    "image_too_small": "images.min_side",
    "image_aspect": "images.max_aspect",
    "image_uniform": "images.min_spread",
    "near_duplicate": "selection.near_bits",
    NOT_ASKED_FOR: "selection.cap",
    "timeout": "fetch.deadline_s",
    "too_large": "fetch.max_bytes",
    "too_many_redirects": "fetch.max_redirects",
    "retry_later": "fetch.max_wait_s",
    "too_many_pixels": "images.max_pixels",
}


def in_words(reasons: Mapping[str, int]) -> str:
    """How many rows were dropped for which reasons, the most frequent first, in words.

    >>> in_words({"redirect": 1, "not_article": 12})
    '12 not_article (page outside namespace 0), 1 redirect (page that only points to another)'
    """
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{n:,} {reason} ({REASONS[reason]})" for reason, n in ordered) or "nothing"
