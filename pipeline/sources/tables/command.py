"""`python -m pipeline init TABLE`: a table looked at, and the settings of a build of it written."""

import argparse
import os
import re
import tomllib
from pathlib import Path
from typing import Any

from pipeline.settings.sources import TablesSource
from pipeline.settings.values import is_remote, locate, spelt
from pipeline.settings.whole import SAMPLE, load
from pipeline.sources.caption_language import language_of
from pipeline.sources.tables.files import check
from pipeline.sources.tables.guess import toml
from pipeline.sources.tables.proposal import Proposal, propose
from queries.options import LocalPath
from queries.tables.errors import InputError, one_line

LOOPBACK = re.compile(r"https?://(?:127\.|localhost\b|\[::1\])", re.IGNORECASE)
SHOWN = 60  # characters of an example
# Settings in their order, and what is said of each.
ABOUT = {
    "encoding": "a guess by its bytes",
    "delimiter": "",
    "quotes": '`"` is a character like others',
    "escapes": "a backslash takes the next character as it is",
    "header": "the first line is a row already: put in better names where you want them",
}


def add_init_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("table", help="a table, a folder of tables, or an address")
    parser.add_argument(
        "--settings",
        action=LocalPath,
        help="the TOML to write; TABLE.toml in this folder by default",
    )
    parser.add_argument("--contact", default="", help="your address, sent with every request")
    parser.add_argument("--overwrite", action="store_true", help="replace a TOML that exists")


def run_init(options: argparse.Namespace) -> None:
    """Write the TOML and print what was seen. Raises InputError for what no build could read."""
    table, path = spelt(options.table), options.settings
    if not is_remote(table) and not Path(table).exists():
        raise InputError(f"{table}: expected a table, or a folder of tables, that exists")
    name = _name(table)
    path = path or Path(f"{name}.toml")
    if path.exists() and not options.overwrite:
        raise InputError(
            f"{path} exists: expected --overwrite to replace it, or another name by --settings"
        )
    if not path.parent.is_dir():
        raise InputError(f"{path.parent}: expected a folder that exists")
    proposal = propose(table)
    settings = {key: _frozen(value) for key, value in proposal.settings.items()}
    inside = table if is_remote(table) else os.path.relpath(table, path.parent)
    check(TablesSource(kind="tables", name=name, paths=(table,), **settings))
    local = bool(LOOPBACK.match(proposal.example(proposal.columns["url"])))
    language = language_of(proposal.texts(proposal.columns["caption"]))
    text = written(proposal, name, inside, options.contact, local=local, language=language)
    tomllib.loads(text)
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {one_line(error)}") from None
    load(path)
    print("\n".join([*_seen(proposal), _said_of(language)]))
    contact = options.contact or local
    first = "" if contact else f"first write your address into `contact` of {path}, then "
    print(
        f"\nwrote {path}; {first}start the build:\n"
        f"  luigi --module pipeline BuildWIT --settings {path} --out {name}"
    )


def written(
    proposal: Proposal,
    name: str,
    path: str,
    contact: str,
    *,
    local: bool,
    language: str | None = None,
) -> str:
    """The TOML of a build of the proposal's table, whose captions are in a language or unknown."""
    language = language or "en"
    source = [f"paths = [{toml(path)}]", f"columns = {_columns(proposal)}"]
    for key, about in ABOUT.items():
        if key in proposal.settings:
            line = f"{key} = {toml(proposal.settings[key])}"
            if proposal.settings[key] == "utf-8":
                about = ""
            source.append(f"{line} # {about}" if about else line)
    articles = [text for text in _sample_articles() if locate(text, Path()).exists()]
    articles = articles if language == "en" else []
    dump = "simple" if language == "en" else language
    filters = ["[filters]", "allow_private_hosts = true # its addresses are of this machine", ""]
    return "\n".join(
        [
            f"# By `python -m pipeline init`, from a look at {_in_a_comment(proposal.file)}.",
            "# docs/sources.md has every setting of a source, docs/tutorial.md the next steps.",
            "seed = 0",
            "",
            *_about_queries(language),
            "n = 20_000",
            f"articles = {toml(articles or [f'wikimedia:{dump}wiki/20261101/multistream'])}",
            *([] if language == "en" else [f"wiki = {toml(language)}"]),
            "word_min = 3",
            "bigram_quota = 0",
            "title_quota = 0",
            "",
            "[[sources]]",
            'kind = "tables"',
            f"name = {toml(name)}",
            *source,
            "",
            *(filters if local else []),
            "[selection]",
            "cap = 1_000 # pairs of one query",
            "",
            "[fetch]",
            f"contact = {toml(contact)} # your address, which tells hosts whom to ask",
            *(['allow_networks = ["127.0.0.0/8"]'] if local else []),
            "",
            *([] if articles else ["[downloads]", f"contact = {toml(contact)} # the same", ""]),
        ]
    )


def _about_queries(language: str) -> list[str]:
    if language != "en":
        return [
            "# Of the Wikipedia in the language of the captions, as it seems. To drop others,",
            f"# add `languages = [{toml(language)}]` and a language_model (docs/filters.md).",
            "[queries]",
        ]
    return [
        "[queries] # of a few English articles, to begin with; of the German Wikipedia:",
        '# articles = ["wikimedia:dewiki/20261101/multistream"] and wiki = "de" alone',
    ]


def _said_of(language: str | None) -> str:
    """What the look at the captions gave of their language, which the queries must be in."""
    if language is None:
        return "  language   not told by the captions: the queries are English"
    return f"  language   {language}, as the captions look: the queries are of its Wikipedia"


def _columns(proposal: Proposal) -> str:
    columns = proposal.settings["columns"]
    if isinstance(columns, str):
        return toml(columns)
    return f"{{ {', '.join(f'{role} = {toml(name)}' for role, name in columns.items())} }}"


def _seen(proposal: Proposal) -> list[str]:
    """What the look at the table gave, a line each."""
    columns = proposal.settings["columns"]
    lines = [f"{proposal.file}: {len(proposal.rows):,} rows looked at"]
    lines += [f"  columns    {', '.join(proposal.names)[:300]}"] if proposal.names else []
    if isinstance(columns, str):
        lines.append(f"  layout     {columns}")
    for key in ABOUT:
        if key in proposal.settings:
            lines.append(f"  {key:<10} {toml(proposal.settings[key])}")
    for role, name in proposal.columns.items():
        example = " ".join(proposal.example(name).split())[:SHOWN]
        lines.append(f"  {role:<10} {name}: {example}" if example else f"  {role:<10} {name}")
    return [line if line.isprintable() else ascii(line)[1:-1] for line in lines]


def _sample_articles() -> list[str]:
    """The articles of the sample build, which are in a package."""
    return list(tomllib.loads(SAMPLE.read_text("utf-8"))["queries"]["articles"])


def _name(table: str) -> str:
    """A source's name from its table's.

    >>> _name("data/Meine Rezepte.csv.gz"), _name("s3://bucket/laion/"), _name("..")
    ('Meine_Rezepte', 'laion', 'table')
    """
    last = table.partition("?")[0].rstrip("/*").rpartition("/")[2]
    return re.sub(r"[^\w-]+", "_", last.partition(".")[0]).strip("_") or "table"


def _in_a_comment(text: str) -> str:
    return text if text.isprintable() else ascii(text)


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
