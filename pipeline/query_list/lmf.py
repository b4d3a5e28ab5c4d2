"""Synsets of WordNets in the XML format of the Global WordNet Association: WN-LMF 1.0 to 1.4.

A synset's `members` are ids of senses (Open Multilingual Wordnet) or of entries (Open English
WordNet), or are missing (1.0); a file may hold several lexicons, and extensions of others.
"""

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO
from xml.parsers import expat

from pipeline.text.languages import code_of
from pipeline.web.reading import raise_if_of_the_disk
from queries.tables.errors import InputError

CHUNK_BYTES = 1 << 18
MAX_BYTES = 1 << 31  # of XML; Open English WordNet has 100 MB
MAX_TAG_BYTES = 16 << 20  # expat keeps an unfinished one in memory

Synsets = Iterator[tuple[str, list[str]]]  # a synset and its lemmas, the first one first


def read_lmf(path: Path, file: IO[bytes], lexicons: "Lexicons | None" = None) -> Synsets:
    """The synsets of a file, in its order; one without a word has no lemmas.

    `path` names it in the InputError that a file of another kind, or a damaged one, raises.
    """
    resource = _Resource(path, lexicons or Lexicons())
    try:
        while chunk := file.read(CHUNK_BYTES):
            resource.feed(chunk)
        resource.feed(b"", last=True)
    except (expat.ExpatError, OSError, EOFError, zlib.error) as error:
        raise_if_of_the_disk(error)
        raise InputError(
            f"{path}: expected a folder or a tar of dict files or of LMF files, or an LMF file: "
            f"{error}"
        ) from None
    yield from resource.synsets()


class Lexicons:
    """Which lexicons of a WordNet are read: those of one language, or all.

    >>> chinese = Lexicons("zh")
    >>> chinese.takes("cmn-Hans"), chinese.takes("en"), Lexicons("").takes("en")
    (True, False, True)
    """

    def __init__(self, language: str = ""):
        """`language`: a code in any form, such as the name of a Wikipedia; "" for all."""
        self.language = language
        self.met: dict[str, bool] = {}  # each lexicon's language, and whether it is read

    def takes(self, lexicon: str) -> bool:
        """Whether a lexicon is read that says this language, or "" for none."""
        wanted, code = code_of(self.language, of_wikipedia=True), code_of(lexicon)
        self.met[lexicon] = wanted is None or code is None or wanted.includes(code)
        return self.met[lexicon]

    def refuse_others(self, path: Path) -> None:
        """Raise InputError for a WordNet of which no lexicon was read."""
        if self.met and not any(self.met.values()):
            languages = ", ".join(map(repr, sorted(self.met)))
            raise InputError(
                f"{path}: expected a WordNet in {self.language!r} (queries.wordnet_language, by "
                f"default the language of queries.wiki); found one in {languages}"
            )


class _Resource:
    """Feeds bytes to expat and collects what names the synsets."""

    def __init__(self, path: Path, lexicons: Lexicons):
        self.path = path
        self.lexicons = lexicons
        self.reads = True  # the lexicon that it is in
        self.lemma_of: dict[str, str] = {}  # by entry
        self.entry_of: dict[str, str] = {}  # by sense
        self.entries_of: dict[str, list[str]] = {}  # by synset, in the order of the senses
        self.members: dict[str, list[str]] = {}  # of each synset: ids of senses or entries
        self.entry = ""
        self.fed = self.depth = 0
        # In UTF-8, whatever the file's first line says: some are no encodings.
        self.expat = expat.ParserCreate("UTF-8")
        self.expat.StartElementHandler = self.start
        self.expat.EntityDeclHandler = self.refuse_entity

    def feed(self, chunk: bytes, last: bool = False) -> None:
        self.fed += len(chunk)
        self.expat.Parse(chunk, last)
        if self.fed > MAX_BYTES:
            raise InputError(f"{self.path}: expected up to {MAX_BYTES} bytes of XML")
        if self.fed - self.expat.CurrentByteIndex > MAX_TAG_BYTES:
            raise InputError(f"{self.path}: expected a WordNet; found a tag without an end")

    def refuse_entity(self, *_: object) -> None:
        raise InputError(f"{self.path}: expected no entity declarations in a WordNet")

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self.depth and tag != "LexicalResource":
            raise InputError(
                f"{self.path}: expected a WordNet, XML with the root <LexicalResource>; "
                f"found <{tag[:40]}>"
            )
        self.depth = 1
        try:
            self.take(tag, attributes)
        except KeyError as error:
            line = self.expat.CurrentLineNumber
            raise InputError(
                f"{self.path}: line {line}: expected {error.args[0]} in <{tag}>"
            ) from None

    def take(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in ("Lexicon", "LexiconExtension"):
            self.reads = self.lexicons.takes(attributes.get("language", ""))
        elif not self.reads:
            return
        elif tag in ("LexicalEntry", "ExternalLexicalEntry"):
            self.entry = attributes["id"]
        elif tag == "Lemma":
            self.lemma_of[self.entry] = attributes["writtenForm"]
        elif tag in ("Synset", "ExternalSynset"):
            members = self.members.setdefault(attributes["id"], [])
            members += attributes.get("members", "").split()
        elif tag == "Sense" and attributes.get("lexicalized") != "false":
            self.entries_of.setdefault(attributes["synset"], []).append(self.entry)
            if "id" in attributes:
                self.entry_of[attributes["id"]] = self.entry

    def synsets(self) -> Synsets:
        """The synsets with the lemmas of their members first, then those of other senses."""
        for synset, members in self.members.items():
            entries = [self.entry_of.get(member, member) for member in members]
            entries += self.entries_of.get(synset, [])
            lemmas = [self.lemma_of[entry] for entry in entries if entry in self.lemma_of]
            yield synset, list(dict.fromkeys(lemmas))
