"""Open the workspace of a build: checked, locked and ready before any stage is at work."""

import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow.compute as pc
from rich.console import Console
from rich.text import Text

from pipeline import sources
from pipeline.filters import rows
from pipeline.filters.exclusions import read_exclusions
from pipeline.images import scorers
from pipeline.selection.retry import lost_pairs, reasons
from pipeline.settings.fetch import FetchSettings
from pipeline.settings.values import is_remote
from pipeline.settings.whole import Settings, load
from pipeline.text.languages import code_by_name, code_of
from pipeline.workspace.endings import end_interrupted, ending_in_one_line, in_one_line
from pipeline.workspace.folder import ENGINES, Workspace
from pipeline.workspace.takedown_log import LOG
from queries.engine import MapInput
from queries.tables.errors import InputError
from queries.tables.manifest import find
from queries.tables.parts import Part, read_rows
from queries.tables.schemas import TABLES
from queries.tables.store import bring, place, reach

LISTS_VERSION = 3  # of the code that reads lists of exclusions: raise it when it gives other rows


@dataclass(frozen=True)
class Options:
    """The options of a build's command, as its user wrote them."""

    settings: str
    out: str
    engine: str
    retry: str
    exclude: str


_open: dict[Options, Workspace] = {}  # of this process, each locked till the process ends


def check_pairs(settings: Settings) -> None:
    """Raise UserError where no pair can be collected and fetched by these settings."""
    if not settings.sources:
        raise InputError(
            "sources: missing, and BuildWIT takes its pairs from them: expected [[sources]]; "
            "BuildQueries makes a query list without them"
        )
    sources.check(settings.sources)
    check_languages(settings)
    scorers.check(settings.scorers)
    check_contact(settings.fetch)


def open_workspace(
    options: Options, check: Callable[[Settings], object] = check_pairs
) -> Workspace:
    """Open the workspace that all stages of a build share; one that is open stays as it is.

    A fault that the user can mend, such as what `check` raises, ends the program with status 2 and
    one line. One process may open several folders; a folder that is open with other options is
    refused, as by another process.
    """
    if options in _open:
        return _open[options]
    with ending_in_one_line(Path(options.out)):
        settings = load_settings(options)
        check_wikis(settings)
        check(settings)
        folder = place(options.out).absolute()
        reach(folder)
        ws = Workspace(folder, settings, options.engine)
        if options.retry:
            lost_pairs(find(ws.folder), reasons(options.retry))  # raises where it lost none
        ws.lock()
        ws = ws.with_takedowns()
        say_empty_lists(ws)  # raises for a line that means nothing
    log_faults_in_one_line(ws)
    end_at_signals(ws)
    _open[options] = ws
    return ws


def opened_workspace(options: Options) -> Workspace:
    """The workspace that open_workspace has opened. Raises RuntimeError where it has not."""
    if options not in _open:
        raise RuntimeError(f"{options.out}: no stage can work before open_workspace was called")
    return _open[options]


def load_settings(options: Options) -> Settings:
    """The settings with the lists of --exclude. Raises UserError where an option is wrong."""
    if options.engine not in ENGINES:
        raise InputError(f"--engine {options.engine!r}: expected one of {', '.join(ENGINES)}")
    return add_exclusions(load(Path(options.settings)), options.exclude)


def add_exclusions(settings: Settings, exclude: str) -> Settings:
    """The settings with the lists of --exclude beside their own. Raises InputError."""
    texts = [text.strip() for text in exclude.split(",") if text.strip()]
    paths = [str(bring(text) if is_remote(text) else Path(text).absolute()) for text in texts]
    missing = [path for path in paths if not Path(path).is_file()]
    if missing:
        raise InputError(f"--exclude {missing[0]}: expected a list of exclusions, a file")
    every = tuple(dict.fromkeys([*settings.exclusions, *paths]))
    return settings.model_copy(update={"exclusions": every})


def exclusion_lists(ws: Workspace) -> list[MapInput]:
    """The lists of exclusions: each is named by its content and by its name."""
    inputs: list[MapInput] = []
    for path in ws.settings.exclusions:
        inputs += ws.file_inputs([path], Path(path).name, LISTS_VERSION)
    return inputs


def listed_kinds(ws: Workspace) -> set[str]:
    """The kinds of exclusions that the lists have."""
    parts = (read_rows(part.path, columns=["kind"]) for part in read_lists(ws))
    return {kind for rows in parts for kind in pc.unique(rows["kind"]).to_pylist()}


def say_empty_lists(ws: Workspace) -> None:
    """Print a line for each list that excludes nothing: its owner may think that it does."""
    for path, part in zip(ws.settings.exclusions, read_lists(ws), strict=True):
        if not part.rows_kept and Path(path).name != LOG:
            line = f"EMPTY: {path} has no line, so it excludes nothing"
            Console().print(Text(line, style="bold"), soft_wrap=True)


def read_lists(ws: Workspace) -> list[Part]:
    """The parts of the table `exclusion`. Raises InputError.

    They are made before the first stage: who lists a line that excludes nothing learns it at once.
    """
    table, folder = TABLES["exclusion"], ws.work / "exclusion"
    return ws.engine.map("exclusion", read_exclusions, exclusion_lists(ws), table, folder)


def check_languages(settings: Settings) -> None:
    """Raise InputError for filters by which no caption can be judged, or none has its language."""
    if settings.languages and not settings.filters.language_model:
        raise InputError(
            "filters.language_model: missing, and by it [[languages]] finds the language of each "
            "caption: expected a fastText model, such as lid.176.bin"
        )
    key = "languages" if settings.languages else "filters.languages"
    rows.check(settings.row_filters, key, settings.list_of_label)


def check_wikis(settings: Settings) -> None:
    """Raise InputError for a list of no language: "german", or two letters that are no code.

    A longer name may be that of a wiki of one's own.
    """
    for number, of in enumerate(settings.lists.values()):
        if code_of(of.wiki, of_wikipedia=True) or not of.wiki:
            continue
        meant = code_by_name(of.wiki)
        if meant or len(of.wiki) < 3:
            key = "queries.wiki" if settings.queries else f"languages.{number}"
            guess = f"; did you mean {meant!r}?" if meant else ""
            raise InputError(
                f"{key} = {of.wiki!r}: expected a language's code as in the addresses of Wikipedia"
                f"{guess}"
            )


def check_contact(fetch: FetchSettings) -> None:
    """Raise InputError unless hosts learn whom to ask, or all pictures are on a private network."""
    if not fetch.contact.strip() and not fetch.allow_networks:
        raise InputError(
            "fetch.contact = '': expected an address of yours, which tells hosts whom to ask if "
            "the requests are a burden"
        )


def log_faults_in_one_line(ws: Workspace) -> None:
    """Let Luigi log a fault that the user can mend by its line, without a traceback."""
    logging.getLogger("luigi-interface").addFilter(partial(in_one_line, ws.folder, set()))


def end_at_signals(ws: Workspace) -> None:
    """End the program on Ctrl-C and SIGTERM between two stages; a stage at work ends by itself."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, partial(end_interrupted, ws.folder))
