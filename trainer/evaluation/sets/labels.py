"""The label of a picture: a number in a .cls, or for several classes a vector in a .npy."""

import io

import numpy as np

from trainer.data.pixels import BadPictureError
from trainer.evaluation.sets.files import Files


def one_label(label: int | None, files: Files, n_classes: int) -> int:
    """The number of the class, of the folder or of the .cls. Raises BadPictureError."""
    if label is None:
        text = files["cls"].read().strip() if "cls" in files else b""
        label = int(text) if text.isdigit() and len(text) < 10 else -1
    if not 0 <= label < n_classes:
        raise BadPictureError(f"class {label}: expected 0..{n_classes - 1}")
    return label


def several_labels(files: Files, n_classes: int) -> tuple[int, ...]:
    """The numbers of all classes of the picture: the .npy has 1 for each, 0 for others."""
    if "npy" not in files:
        raise BadPictureError("no label: expected a vector in a .npy")
    vector = read_vector(files["npy"].read())
    if vector.shape != (n_classes,) or not np.isin(vector, (0, 1)).all():
        raise BadPictureError(f"label of {vector.shape}: expected {n_classes:,} numbers, 0 or 1")
    return tuple(np.flatnonzero(vector).tolist())


def read_vector(data: bytes) -> np.ndarray:
    """A vector of numbers of NumPy's format. Raises BadPictureError.

    NumPy would allocate what a header promises before it reads; here the bytes decide.
    """
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, _, dtype = read(stream)
        if dtype.kind not in "biuf" or len(shape) != 1:
            raise ValueError(f"{dtype} of {shape}")
        return np.frombuffer(data, dtype, count=shape[0], offset=stream.tell())
    except (ValueError, KeyError, SyntaxError, TypeError, MemoryError, OverflowError) as error:
        text = str(error).splitlines()[0] if str(error) else "damaged"
        raise BadPictureError(f"label: {text:.100}, expected a vector in NumPy's format") from None
