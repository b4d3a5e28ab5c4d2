"""The peers that tests and benchmarks hold the trainer against: `make peers` installs them."""

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from unittest.mock import MagicMock


class NoTorchvision(MetaPathFinder, Loader):
    """Answers every import of torchvision with an empty module: only picture transforms use it."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname.split(".")[0] == "torchvision":
            return ModuleSpec(fullname, self, is_package=True)
        return None

    def create_module(self, spec):
        return EmptyModule(spec.name)

    def exec_module(self, module):
        pass


class EmptyModule(ModuleType):
    """A module in which every public name is a mock."""

    __version__ = "0"

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        return MagicMock(name=name)


@contextmanager
def without_torchvision() -> Iterator[None]:
    """What is imported in here finds empty modules where it asks for torchvision."""
    finder = NoTorchvision()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:  # later imports must not find the empty modules
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
            if isinstance(sys.modules[name], EmptyModule):
                del sys.modules[name]


def open_clip() -> ModuleType:
    """open_clip, imported without torchvision; ImportError if it is not installed."""
    with without_torchvision():
        import open_clip
    return open_clip


def clip_benchmark() -> ModuleType:
    """CLIP_benchmark with its exporter, reader and metrics; ImportError if it is missing."""
    with without_torchvision():
        import clip_benchmark
        import clip_benchmark.datasets.builder
        import clip_benchmark.metrics.zeroshot_classification
        import clip_benchmark.metrics.zeroshot_retrieval
        import clip_benchmark.webdataset_builder
    return clip_benchmark


def openai_model() -> ModuleType:
    """OpenAI's model.py alone: the rest of its package wants torchvision and pkg_resources."""
    package = importlib.util.find_spec("clip")
    if package is None or package.origin is None:
        raise ImportError("no module named clip")
    spec = importlib.util.spec_from_file_location(
        "openai_model", Path(package.origin).with_name("model.py")
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
