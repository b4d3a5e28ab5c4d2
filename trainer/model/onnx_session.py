"""A session of ONNX Runtime for a stranger's network: its bytes alone are read.

onnxruntime is imported late: only who names such a file needs it (the extra `onnx`). A network runs
in this process: its operators reach no file and no network, but may take any time and memory.
"""

from pathlib import Path
from typing import Any

from queries.tables.errors import first_line
from trainer.settings import TrainerError

MOST_BYTES = 1 << 31  # a file of protocol buffers has no more
PROVIDERS = ("CUDAExecutionProvider", "CPUExecutionProvider")


def open_session(path: Path) -> Any:
    """The onnxruntime.InferenceSession of a file. Raises TrainerError, in one line."""
    try:
        import onnxruntime
    except ImportError:
        raise TrainerError(
            f"{path}: expected the package onnxruntime, which runs it: pip install 'buildwit[onnx]'"
        ) from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors are raised; the log would repeat them
    providers = [name for name in PROVIDERS if name in onnxruntime.get_available_providers()]
    try:
        if path.stat().st_size > MOST_BYTES:
            raise TrainerError(f"{path}: {path.stat().st_size:,} bytes, expected an ONNX network")
        # Its bytes, not its path: so it can name no other file as its weights.
        return onnxruntime.InferenceSession(path.read_bytes(), options, providers=providers)
    except TrainerError:
        raise
    except Exception as error:  # onnxruntime's errors share no base class
        raise TrainerError(f"{path}: {first_line(error)}, expected an ONNX network") from None
