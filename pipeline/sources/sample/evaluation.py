"""The sample's evaluation set: the pictures held out from the candidates, and a few planted ones.

    python -m pipeline.sources.sample.evaluation DIR [--settings FILE]

CLIP_benchmark's webdataset layout: classnames.txt, zeroshot_classification_templates.txt,
test/nshards.txt and test/0.tar with KEY.png or KEY.jpg and KEY.cls (the class as a number). The
planted pictures are training pictures, encoded again: an overlap audit must find them all.
source.json has the digest of the source of the set.
"""

import argparse
import io
import json
import shutil
import tarfile
from pathlib import Path

import cv2
import numpy as np
import simplejpeg

from pipeline.settings.sources import SampleSource
from pipeline.settings.whole import SAMPLE, SettingsError, load
from pipeline.sources.candidate import SourceError
from pipeline.sources.sample.pictures import Picture, divided, versions
from pipeline.sources.sample.server import WIDTH, draw
from queries.options import LocalPath, parsed
from queries.pixels.fingerprint import hash63
from queries.tables.parts import digest, folder_written_whole, write_json

VERSION = 1  # raise it when the same source gives another set
MARK = "source.json"
HELD_OUT_WIDTH = 200  # pixels: another rendering than the candidates'
N_PLANTED = 40
PLANTED_QUALITY = 60
TEMPLATES = ("a picture of {c}.", "{c}", "an emoji of {c}.", "a drawing of {c}.")


def write_evaluation_set(source: SampleSource, folder: Path) -> Path:
    """Write the whole set into the folder and return the folder; a source always gives equal bytes.

    A set of the same source stays as it is, a set of another source is replaced. Raises
    SourceError for a folder that is neither such a set nor empty.
    """
    about = digest(VERSION, versions(), source.model_dump())
    if _made_from(folder) == about:
        return folder
    shown, held_out = divided(source)
    planted = sorted(shown, key=lambda picture: hash63("planted", picture.code))[:N_PLANTED]
    classes = sorted({picture.name for picture in (*held_out, *planted)})
    with folder_written_whole(folder) as beside:
        write_json(beside / MARK, about)
        (beside / "test").mkdir()
        _write_lines(beside / "classnames.txt", classes)
        _write_lines(beside / "zeroshot_classification_templates.txt", TEMPLATES)
        _write_lines(beside / "test" / "nshards.txt", ["1"])
        with tarfile.open(beside / "test" / "0.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
            for picture in held_out:
                drawn = draw(picture.file, HELD_OUT_WIDTH)
                _add_sample(tar, f"held_out_{picture.code}", "png", drawn, classes, picture)
            for picture in planted:
                drawn = _as_jpeg(draw(picture.file, WIDTH))
                _add_sample(tar, f"planted_{picture.code}", "jpg", drawn, classes, picture)
        shutil.rmtree(folder, ignore_errors=True)
    return folder


def _made_from(folder: Path) -> str | None:
    """The digest of the source of the folder's set; None if the folder is empty or missing."""
    if (folder / MARK).is_file():
        return str(json.loads((folder / MARK).read_text()))
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SourceError(f"{folder}: expected a folder that is empty, or that does not exist")
    return None


def _as_jpeg(png: bytes) -> bytes:
    pixels = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    return simplejpeg.encode_jpeg(pixels, PLANTED_QUALITY, "BGR", "420")


def _add_sample(
    tar: tarfile.TarFile, key: str, ending: str, drawn: bytes, classes: list[str], picture: Picture
) -> None:
    number = str(classes.index(picture.name)).encode()
    for name, body in ((f"{key}.{ending}", drawn), (f"{key}.cls", number)):
        member = tarfile.TarInfo(name)  # time 0 and owner root, so that the bytes are always equal
        member.size = len(body)
        tar.addfile(member, io.BytesIO(body))


def _write_lines(path: Path, lines: list[str] | tuple[str, ...]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        "python -m pipeline.sources.sample.evaluation",
        description="Write the held-out pictures, and a few planted ones, as an evaluation set.",
    )
    parser.add_argument("folder", action=LocalPath, metavar="DIR", help="where to write it")
    parser.add_argument(
        "--settings",
        action=LocalPath,
        default=SAMPLE,
        metavar="FILE",
        help="the build's settings (default: %(default)s)",
    )
    arguments = parsed(parser.parse_args, None)
    try:
        sources = load(arguments.settings).sources
        source = next((source for source in sources if isinstance(source, SampleSource)), None)
        if source is None:
            parser.error(f'{arguments.settings}: no source of kind = "sample"')
        print(write_evaluation_set(source, arguments.folder))
    except (SettingsError, SourceError) as error:
        parser.exit(2, f"{error}\n")


if __name__ == "__main__":
    main()
