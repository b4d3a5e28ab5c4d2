"""The types of which settings are made: paths, counts, shares, and the strict base of all sections.

A wrong value raises ValueError with what was expected, which pipeline.settings.whole turns into one
line.
"""

import importlib.util
import re
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
)

from pipeline.settings.files import exists, files_of, is_pattern, nearest, one_file_of
from pipeline.settings.hub import HF, with_revision
from queries.tables.addresses import EXPECTED, hidden
from queries.tables.errors import UserError
from queries.tables.store import bring

SCHEME = re.compile(r"(?:(?<=::)|^)[A-Za-z][A-Za-z0-9+.-]*(?=://|::)|^wikimedia(?=:)", re.I)


def locate(text: str, folder: Path) -> Path:
    """Turn a path of the settings into one of this machine; it need not exist.

    >>> locate("captions.tsv", Path("/data"))
    PosixPath('/data/captions.tsv')
    """
    if not text.startswith("package:"):
        try:
            return folder / Path(text).expanduser()
        except RuntimeError:  # ~ and the name of nobody
            return folder / text
    package, _, rest = text.removeprefix("package:").partition("/")
    # Of a name with a dot, find_spec would import what stands before it.
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        return Path(text)  # no such package, so no such file
    return Path(next(iter(spec.submodule_search_locations))) / rest


def _folder(info: ValidationInfo) -> Path:
    """Where relative paths start: the TOML's folder, or the working folder without a TOML."""
    return info.context["folder"] if info.context else Path.cwd()


def spelt(text: str) -> str:
    """An address with its schemes in small letters, which is how programs look them up.

    >>> spelt("S3://Bucket/A.parquet"), spelt("ZIP://a.csv::HTTPS://x.org/A.zip"), spelt("A.csv")
    ('s3://Bucket/A.parquet', 'zip://a.csv::https://x.org/A.zip', 'A.csv')
    """
    return with_revision(SCHEME.sub(lambda scheme: scheme[0].lower(), text))


def _existing(text: str, info: ValidationInfo) -> str:
    text = spelt(text)
    if is_remote(text):
        try:
            return str(bring(without_secret(text)))
        except UserError as error:
            raise ValueError(f"a file that can be read; {error}") from None
    path = locate(text, _folder(info))
    if not exists(path):
        hint = " (is the package installed?)" if text.startswith("package:") else nearest(path)
        raise ValueError(f"a file or folder that exists; {path} does not{hint}")
    return str(path)


def is_download(text: str) -> bool:
    """Whether a setting names files to download: pipeline/web/wikimedia.py has the forms.

    >>> is_download("wikimedia:enwiki/20261101/multistream"), is_download("dump.xml.bz2")
    (True, False)
    """
    return spelt(text).startswith(("wikimedia:", "http://", "https://", HF))


def _download_or_files(text: str, info: ValidationInfo) -> str:
    """An address, a file, or a folder or pattern that stands for at least one file."""
    text = spelt(text)
    if is_download(text):
        return without_secret(text)
    if is_remote(text) or not is_pattern(path := locate(text, _folder(info))):
        path = Path(_existing(text, info))
    if info.context and path.resolve() == _folder(info):
        raise ValueError(
            "a file, or a folder of such files alone; this is the folder of the settings: name the "
            "file in it, or move what is to be read to a folder of its own"
        )
    files_of(path)
    return str(path)


def _each_file(texts: tuple[str, ...]) -> tuple[str, ...]:
    """The files of folders and patterns in their place, none twice."""
    files = [
        str(file)
        for text in texts
        for file in ([text] if is_download(text) else files_of(Path(text)))
    ]
    return tuple(dict.fromkeys(files))


def _download_or_file(text: str, info: ValidationInfo) -> str:
    text = spelt(text)
    if is_download(text):
        return without_secret(text)
    if is_remote(text) or not is_pattern(path := locate(text, _folder(info))):
        path = Path(_existing(text, info))
    return str(one_file_of(path))


def without_secret(text: str) -> str:
    """The address; ValueError for one with a secret in it, since a build publishes its settings."""
    if hidden(text) != text:
        raise ValueError(EXPECTED)
    return text


def is_remote(text: str) -> bool:
    """Whether a path is an address of fsspec's, to be read where it is and not downloaded first.

    >>> is_remote("s3://bucket/part-*.parquet"), is_remote("captions.tsv")
    (True, False)
    """
    return re.match(r"[a-z][a-z0-9+.-]*(://|::)", text, re.IGNORECASE) is not None


def _remote_or_existing(text: str, info: ValidationInfo) -> str:
    return without_secret(spelt(text)) if is_remote(text) else _existing(text, info)


def _remote_or_files(text: str, info: ValidationInfo) -> str:
    """The same, or a pattern of this machine that matches at least one file."""
    if is_remote(text) or not is_pattern(path := locate(text, _folder(info))):
        return _remote_or_existing(text, info)
    files_of(path)
    return str(path)


RemoteOrExisting = Annotated[str, AfterValidator(_remote_or_existing)]
RemoteOrFiles = Annotated[str, AfterValidator(_remote_or_files)]


def _first_existing(texts: Any, info: ValidationInfo) -> str:
    if not isinstance(texts, tuple) or not all(isinstance(text, str) for text in texts):
        raise ValueError("a list of paths, of which the first that exists is taken, or an address")
    path = None
    for text in map(spelt, texts):
        if is_download(text):
            return without_secret(text)
        if is_remote(text):
            return _existing(text, info)
        path = locate(text, _folder(info))
        if exists(path):
            return str(path)
        if is_pattern(path) and (matched := glob(str(path))):
            if len(matched) > 1:
                raise ValueError(f"one WordNet; {path} matches {len(matched)}")
            return matched[0]
    missing = f"; {path} does not{nearest(path)}" if path else ""
    raise ValueError(f"at least one path that exists, or an address{missing}")


DownloadOrFile = Annotated[str, AfterValidator(_download_or_file)]
DownloadsOrFiles = Annotated[
    tuple[Annotated[str, AfterValidator(_download_or_files)], ...], AfterValidator(_each_file)
]
ExistingPath = Annotated[str, AfterValidator(_existing)]
FirstExisting = Annotated[str, BeforeValidator(_first_existing)]


@dataclass(frozen=True)
class SpeltAs:
    """Text of a form: it matches the whole pattern, else `expected` says what it should be."""

    pattern: str
    expected: str

    def __call__(self, text: str) -> str:
        if not re.fullmatch(self.pattern, text):
            raise ValueError(self.expected)
        return text


def spelt_as(pattern: str, expected: str) -> AfterValidator:
    return AfterValidator(SpeltAs(pattern, expected))


Address = Annotated[
    str,
    spelt_as(r"https?://[^\s?#]+", "an http or https address without spaces, ? and #"),
]
Contact = Annotated[
    str, spelt_as(r"[\x20-\x7e]*", "a mail or web address in plain ASCII, in one line")
]
Share = Annotated[float, Field(ge=0, le=1)]
# Whole numbers end where tables, JSON and JavaScript stop to hold each; sums have room in 64 bits.
MOST = 2**53 - 1
Count = Annotated[int, Field(ge=0, le=MOST)]
Positive = Annotated[int, Field(ge=1, le=MOST)]
Workers = Annotated[int, Field(ge=0, le=1024)]  # processes or threads
Int32 = Annotated[int, Field(ge=0, le=2**31 - 1)]  # of a column, or of Java
PerMillion = Annotated[float, Field(ge=0, le=1_000_000)]

Number = TypeVar("Number", bound=float)
# A number for all, or a table of numbers by language. Tags of spaces are no part of a fault's key.
ByLanguage = Annotated[
    Annotated[Number, Tag(" ")] | Annotated[dict[str, Number], Tag("  ")],
    Discriminator(lambda value: "  " if isinstance(value, dict) else " "),
]


class Section(BaseModel):
    """A table of the TOML: frozen, without unknown keys, and no type is turned into another."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
