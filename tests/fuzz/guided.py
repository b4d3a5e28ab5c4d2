"""Inputs that coverage guides: atheris chooses the bytes from which hypothesis draws an input.

Needs the extra `fuzz`. What is imported here first is watched, so targets are imported inside.
"""

import random
import sys
from pathlib import Path
from types import ModuleType

INPUT_BYTES = 8_192  # from which one input is drawn
CORPUS = 20
WATCHED = ("pipeline", "queries", "trainer")  # what is ours of what runs


def atheris_or_none() -> ModuleType | None:
    """The package, where it is installed: it has wheels only for Linux."""
    try:
        import atheris
    except ImportError:
        return None
    return atheris


def started(corpus: Path, seed: int) -> Path:
    """A corpus of random bytes: of an empty one libFuzzer tries a few bytes, which draw nothing."""
    corpus.mkdir()
    chance = random.Random(seed)
    for number in range(CORPUS):
        (corpus / str(number)).write_bytes(chance.randbytes(INPUT_BYTES // 4))
    return corpus


def guide(name: str, seconds: float, seed: int, folder: Path) -> int:
    """Try inputs of one target until the time is up, and end the process: libFuzzer does so."""
    atheris = atheris_or_none()
    if atheris is None:
        print("--atheris: expected the package atheris: pip install '.[fuzz]'", file=sys.stderr)
        return 1
    with atheris.instrument_imports(include=list(WATCHED)):
        from tests.fuzz.targets import TARGETS
        from tests.fuzz.trying import Trying
    if name not in TARGETS:
        print(f"{name}: expected one of {', '.join(TARGETS)}", file=sys.stderr)
        return 1
    trying = Trying(TARGETS[name], folder / "input")
    test = trying.test(seed, most=1)
    limits = [f"-max_total_time={seconds:.0f}", f"-seed={seed + 1}", f"-max_len={INPUT_BYTES}"]
    corpus = started(folder / "corpus", seed)
    atheris.Setup([sys.argv[0], *limits, str(corpus)], test.hypothesis.fuzz_one_input)
    atheris.Fuzz()
    return 0
