"""The closed list of reasons: why a row is dropped. Every `reason` column holds one of these.

May import nothing. A reason is added here first; a test holds that no table knows another.
"""

PAGE = {
    "not_article": "page outside namespace 0",
    "redirect": "page that only points to another",
    "bad_page": "page that does not parse, or lacks a title or a text",
    "bad_stream": "compressed stream that is damaged; what follows it in the part is not read",
}
COLLECT = {
    "row_invalid": "line of a table that does not parse",
    "url_missing": "row without an address",
    "url_invalid": "address that is no http or https URL with a host",
    "bad_record": "crawled page that cannot be read",
    "caption_missing": "row without a caption",
    "caption_invalid": "caption that is not UTF-8 text",
}
FILTER = {
    "caption_too_short": "fewer words or characters than the settings ask for",
    "caption_too_long": "more words or characters than the settings allow",
    "caption_is_file_name": "a file or camera name instead of a description",
    "caption_is_url": "an address instead of a description",
    "caption_mostly_digits": "fewer letters than the settings ask for",
    "caption_placeholder": "a word such as image or untitled, which describes nothing",
    "wrong_language": "the language found is not a wanted one",
}
POOL = {
    "pair_seen": "the same URL and caption came before",
    "url_seen": "another caption of the same URL stands earlier in the order",
    "id_collision": "another pair has the same pair_id",
}
MATCH = {"no_query": "the caption contains no query"}
FETCH = {
    "not_found": "HTTP 404 or 410",
    "forbidden": "HTTP 401, 403 or 451",
    "http_error": "another HTTP error",
    "timeout": "no answer within the deadline",
    "host_unreachable": "the host's name or address does not answer",
    "connection_error": "the connection broke off, or its answer is no HTTP",
    "opted_out": "the server asks not to use the picture (X-Robots-Tag)",
    "not_an_image": "the answer is no picture that can be decoded",
    "fetch_error": "a failure of another kind; the fetch log names it",
}
# What may pass, so that asking again is worth it: `--retry passing`.
PASSING = ("timeout", "host_unreachable", "connection_error", "http_error", "fetch_error")
IMAGE = {
    "image_too_small": "a side of the original is shorter than min_side",
    "image_aspect": "the original's sides differ by more than max_aspect",
    "image_uniform": "the picture is all but one colour",
    "near_duplicate": "a kept pair earlier in the order has all but the same picture",
    "not_needed": "fetched, but every query of the pair was full before it",
}

REASONS: dict[str, str] = {**PAGE, **COLLECT, **FILTER, **POOL, **MATCH, **FETCH, **IMAGE}
