"""What a tar of a WebDataset holds: its samples are listed once, and the list is kept.

Files of one key are one sample; a key ends at the first dot of a file's name (webdataset, issue
157). They need not stand side by side: readers that want them so lose samples of tars that `tar`
made (issues 140 and 407). The list is a Parquet file in the user's cache, under a name that changes
when the tar does, so data may be read-only or remote. Tars are untrusted: no text is read beyond
MOST_TEXT, and memory is bounded by the number of a tar's samples, not by what they say.
"""

import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from queries.pixels.fingerprint import hash63
from queries.tables import store
from queries.tables.parts import written_whole
from queries.tables.tars import DamagedTarError, whole_members
from trainer.data.shards import Place, Tar

VERSION = 1  # of the lists: another makes them anew
PICTURES = ("jpg", "jpeg", "png", "webp")
MOST_TEXT = 1 << 20  # bytes of a caption's file
BATCH_ROWS = 4_096
BATCH_BYTES = 1 << 25  # of texts
ABOUT = b"buildwit"  # key of the list's own facts in its footer

LIST = pa.schema(
    [
        pa.field("key", pa.string()),
        pa.field("pair_id", pa.int64()),
        pa.field("offset", pa.int64()),  # of the picture
        pa.field("bytes", pa.int64()),
        pa.field("caption", pa.string()),  # the first; null where there is a reason
        pa.field("texts", pa.list_(pa.string())),  # all captions, where there are several
        pa.field("members", pa.list_(pa.int16())),  # of each text: which of the wanted it is
        pa.field("json", pa.string()),  # as the sample has it
        pa.field("reason", pa.string()),  # why it is no sample
    ]
)


@dataclass
class Group:
    """The files of one sample: places by suffix, and of texts where they can be read again."""

    key: str
    files: dict[str, Place] = field(default_factory=dict)
    texts: dict[str, Place] = field(default_factory=dict)
    twice: str = ""  # a suffix that two files have


@dataclass(frozen=True)
class Listed:
    """The list of a tar: its file, the digest of its samples, and what is wrong with the tar."""

    path: Path
    digest: str
    damage: str


def listed(name: str, tar: Tar, captions: Sequence[str]) -> Listed:
    """The list of a tar's samples, made unless it is kept. Raises TrainerError for no tar.

    captions: members that hold a caption, such as "txt" or "json:caption".
    """
    try:
        size = tar.size()  # also notes what the tar is now
        pieces = [VERSION, name, size, tar.identity(), *captions]
    except store.faults() as error:
        raise tar.fault(error) from None
    digest = hashlib.sha256(json.dumps(pieces).encode()).hexdigest()[:32]
    path = folder() / digest[:2] / f"{digest}.parquet"
    try:
        return _kept(path)
    except (OSError, pa.ArrowException, ValueError, LookupError, TypeError):
        _write(path, name, tar, captions)
        return _kept(path)


def _kept(path: Path) -> Listed:
    about = json.loads(pq.read_metadata(path).metadata[ABOUT])
    return Listed(path, about["digest"], about["damage"])


def folder() -> Path:
    """Where lists are kept: in the user's cache, or for this process alone where that cannot be."""
    return _folder(store.caches() / "webdataset")


@lru_cache(maxsize=4)
def _folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            return path
    except OSError as error:
        print(f"{path}: {error.strerror}: the lists of tars are not kept", file=sys.stderr)
        room = tempfile.TemporaryDirectory(prefix="buildwit-")
        _ROOMS.append(room)  # until the process ends
        return Path(room.name)


_ROOMS: list[tempfile.TemporaryDirectory] = []


def _write(path: Path, name: str, tar: Tar, captions: Sequence[str]) -> None:
    """Walk the tar once, and write its list whole."""
    damage, total = "", hashlib.sha256()
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with tar.opened() as file, tempfile.TemporaryFile(dir=path.parent) as spool:
            groups: list[Group] = []
            try:
                for group in _groups(file, None if tar.files is None else spool, captions):
                    groups.append(group)
            except DamagedTarError as error:
                damage = f"damaged: {error}; what stands behind is lost"
            texts = file if tar.files is None else spool
            with written_whole(path) as beside, pq.ParquetWriter(beside, LIST) as writer:
                for rows in _batches(name, groups, texts, captions):
                    for row in rows:
                        total.update(json.dumps([row[key] for key in LIST.names]).encode())
                    writer.write_table(pa.Table.from_pylist(rows, LIST))
                about = {"digest": total.hexdigest(), "damage": damage}
                writer.add_key_value_metadata({ABOUT: json.dumps(about)})
    except store.faults() as error:
        raise tar.fault(error) from None
    except ValueError as error:
        raise tar.fault(error) from None


def _groups(file: BinaryIO, spool: BinaryIO | None, captions: Sequence[str]) -> Iterator[Group]:
    """Every group of files, in the order in which they begin; it is full at the walk's end.

    spool: where texts are copied to, as a remote tar is read through once.
    """
    wanted = {caption.partition(":")[0] for caption in captions} | {"json"}
    by_key: dict[str, Group] = {}
    last = None
    for path, begin, size in whole_members(file):
        key, suffix = key_and_suffix(path)
        if not suffix:
            continue
        group = by_key.get(key)
        if group is not None and suffix in group.files and group is not last:
            group = None  # another sample of that name, as where a tar was put behind a tar
        if group is None:
            group = by_key[key] = Group(key)
            yield group
        last = group
        if suffix in group.files:
            group.twice = suffix
            continue
        group.files[suffix] = begin, size
        if suffix in wanted or suffix.rpartition(".")[2] in wanted:
            group.texts[suffix] = begin, size
            if spool is not None and size <= MOST_TEXT:
                file.seek(begin)
                group.texts[suffix] = spool.tell(), spool.write(file.read(size))


def key_and_suffix(path: str) -> tuple[str, str]:
    """The sample that a file of a tar belongs to, and as what; no suffix: to none.

    >>> key_and_suffix("./train.v1/0001.input.JPG"), key_and_suffix("a/._0001.jpg")
    (('train.v1/0001', 'input.jpg'), ('', ''))
    """
    folders, _, file = path.rpartition("/")
    stem, _, suffix = file.partition(".")
    if not stem or not suffix or (stem.startswith("__") and stem.endswith("__")):
        return "", ""
    folders = "/".join(part for part in folders.split("/") if part not in ("", "."))
    return (f"{folders}/{stem}" if folders else stem), suffix.lower()


def _batches(
    name: str, groups: list[Group], texts: BinaryIO, captions: Sequence[str]
) -> Iterator[list[dict]]:
    """The rows of LIST, in the groups' order, some at a time."""
    rows: list[dict] = []
    n_bytes = 0
    seen: dict[int, int] = {}
    for group in groups:
        row = _row(group, texts, captions)
        again = seen.get(first := pair_id(name, group.key), 0)
        seen[first] = again + 1
        row["pair_id"] = hash63(name, group.key, again) if again else first
        rows.append(row)
        n_bytes += sum(size for _, size in group.texts.values())
        if len(rows) == BATCH_ROWS or n_bytes > BATCH_BYTES:
            yield rows
            rows, n_bytes = [], 0
    if rows:
        yield rows


def pair_id(name: str, key: str) -> int:
    """The number of a sample: that in the key of a build's sample, else a hash of tar and key.

    >>> pair_id("00000", "000000000000000a"), pair_id("00000", "cat") == pair_id("00001", "cat")
    (10, False)
    """
    is_ours = len(key) == 16 and not key.strip("0123456789abcdef") and key < "8"
    return int(key, 16) if is_ours else hash63(name, key)


def _row(group: Group, file: BinaryIO, captions: Sequence[str]) -> dict:
    """A row of LIST: the sample's picture and captions, or the reason why it is no sample."""
    row: dict = dict.fromkeys(LIST.names) | {"key": group.key}
    reasons = []
    if group.twice:
        reasons.append(f"two files end in .{group.twice}")
    picture, why = only(group.files, PICTURES, "picture")
    if picture:
        row["offset"], row["bytes"] = group.files[picture]
    else:
        reasons.append(why)
    texts, members, faults = [], [], []
    for number, caption in enumerate(captions):
        held, why = _texts(group, file, caption)
        texts += held
        members += [number] * len(held)
        faults += [] if held else [why]
    if texts:
        row["caption"] = texts[0]
    else:
        reasons += faults
    if len(texts) > 1:
        row["texts"], row["members"] = texts, members
    if "json" in group.texts:
        row["json"] = _text(group, file, "json")
    if reasons:
        has = ", ".join(f".{suffix[:40]}" for suffix in sorted(group.files)[:9])
        row["reason"] = f"{'; '.join(reasons)} (it has {has})"
    return row


def only(files: dict[str, Place], endings: Sequence[str], what: str) -> tuple[str, str]:
    """The suffix that ends so, the plain one before others: or none, and why.

    >>> only({"jpg": (0, 9), "left.jpg": (9, 9)}, PICTURES, "picture")
    ('jpg', '')
    >>> only({"left.png": (0, 9), "right.png": (9, 9)}, PICTURES, "picture")
    ('', 'expected one picture, not left.png and right.png')
    """
    if plain := [ending for ending in endings if ending in files]:
        return plain[0], ""
    longer = [suffix for suffix in files if suffix.rpartition(".")[2] in endings]
    if len(longer) > 1:
        return "", f"expected one {what}, not {longer[0][:40]} and {longer[1][:40]}"
    return (longer[0], "") if longer else ("", f"no .{' or .'.join(endings)}")


def _texts(group: Group, file: BinaryIO, caption: str) -> tuple[list[str], str]:
    """The captions that one member holds; or none, and why."""
    member, _, path = caption.partition(":")
    suffix, why = only(group.texts, [member], "text")
    if not suffix:
        return [], why
    if group.texts[suffix][1] > MOST_TEXT:
        return [], f".{suffix} has more than {MOST_TEXT:,} bytes"
    text = _text(group, file, suffix) or ""
    if path:
        return _in_json(text, suffix, path)
    return ([text.strip()], "") if text.strip() else ([], f".{suffix} is empty")


def _in_json(text: str, suffix: str, path: str) -> tuple[list[str], str]:
    """The text, or the list of texts, under a key; of nested ones, joined by dots."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return [], f".{suffix} is no JSON"
    for key in [path] if isinstance(value, dict) and path in value else path.split("."):
        value = value.get(key) if isinstance(value, dict) else None
    values = value if isinstance(value, list) else [value]
    texts = [_whole(text).strip() for text in values if isinstance(text, str) and text.strip()]
    return texts, f".{suffix} has no text under {path!r}"


def _text(group: Group, file: BinaryIO, suffix: str) -> str | None:
    """A member as text: what is no UTF-8 in it is replaced. None beyond MOST_TEXT."""
    begin, size = group.texts[suffix]
    if size > MOST_TEXT:
        return None
    file.seek(begin)
    return file.read(size).decode("utf-8-sig", errors="replace")


def _whole(text: str) -> str:
    """The text without halves of surrogate pairs, which JSON may hold and no file may."""
    return text.encode("utf-8", "replace").decode()
