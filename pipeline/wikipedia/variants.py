"""Language variants: `-{zh-hans:联邦州; zh-hant:邦}-`, as MediaWiki's ConverterRule reads them.

Of all variants one is shown: the first of PREFERRED that is there, or else the first written. What
a flag hides is hidden: -{H|…}-, -{T|…}- and -{-|…}- only tell MediaWiki what to convert elsewhere.
"""

import re

# Simplified Chinese with those it falls back on, then the first script of other languages.
PREFERRED = (
    *("zh-hans", "zh-cn", "zh-hans-cn", "zh-sg", "zh-hans-sg", "zh-my", "zh-hans-my", "zh"),
    *("gan-hans", "wuu-hans"),
    *("sr-ec", "sr-cyrl", "kk-cyrl", "tg-cyrl", "uz-latn", "ku-latn", "shi-tfng", "iu"),
)
FLAGS = frozenset("ATRDSHN+-")

# At most templates in it; "-{{" is a hyphen and a template.
_VARIANTS = re.compile(r"-\{(?!\{)((?:[^{}]++|\{\{[^{}]*+\}\})*+)\}-")
_FLAGS = re.compile(r"([^|:\[\]{}]{0,100})\|")  # not the bar of a link
# In any case with a script or a region: zh-cn, zh-CN, sr-Cyrl; "ER: x" is a text.
_CODE = r"(?:[a-z]{2,3}|[A-Za-z]{2,3}(?:-[A-Za-z]{2,8}){1,2})"
_RULE = re.compile(rf"\s*+(?:([^=;]*+)=>\s*+)?({_CODE})\s*+:(.*)", re.DOTALL)
_NEXT_RULE = re.compile(rf";\s*(?=(?:[^=;:]{{0,100}}=>\s*)?{_CODE}\s*:)")


def one_variant(text: str) -> str:
    """The text with one variant of each `-{…}-`.

    >>> one_variant("-{zh-hant:邦; zh-hans:联邦州}- -{R|只}- -{H|zh:甲}- -{乙}-")
    '联邦州 只  乙'
    """
    if "-{" not in text:
        return text
    return _VARIANTS.sub(_shown, _VARIANTS.sub(_shown, text))  # twice: one may stand in another


def _shown(match: re.Match[str]) -> str:
    head = _FLAGS.match(match[1])
    if not head:
        return _chosen(match[1])
    rules = match[1][head.end() :]
    flags = {flag.strip() for flag in head[1].split(";")}
    if not flags & FLAGS:  # the codes of variants, or unknown
        return rules if any(re.fullmatch(_CODE, flag) for flag in flags) else _chosen(rules)
    if "R" in flags:
        return rules
    if flags & {"N", "-", "H"} or flags & FLAGS == {"T"}:
        return ""
    if "D" in flags:
        return "; ".join(_variants(rules).values())
    return _chosen(rules)


def _chosen(rules: str) -> str:
    variants = _variants(rules)
    code = next((code for code in PREFERRED if code in variants), next(iter(variants), None))
    return rules if code is None else variants[code]


def _variants(rules: str) -> dict[str, str]:
    """The text of each variant; none if the rules are a text.

    >>> _variants("zh-hans:计算机;zh-hant:電腦;"), _variants("a: b")
    ({'zh-hans': '计算机', 'zh-hant': '電腦'}, {})
    """
    variants: dict[str, str] = {}
    for rule in _NEXT_RULE.split(rules.rstrip("; \n")):
        parts = _RULE.fullmatch(rule)
        if not parts:
            return {}
        variants.setdefault(parts[2].lower(), parts[3].strip())
    return variants
