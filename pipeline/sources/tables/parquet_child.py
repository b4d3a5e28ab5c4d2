"""Write rows of a Parquet file to standard output, as an Arrow stream.

parquet.py runs this file as another process. A Parquet file's footer and pages state their lengths,
and may lie, or unpack to a thousand times their size. So this process has a memory limit, and its
end ends nothing else. For a file of this machine it imports only pyarrow, to be small and to start
quickly.
"""

import json
import resource
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

BATCH_ROWS = 8_192
BATCH_BYTES = 1 << 24  # a batch is cut to fewer rows where rows are wide
STATUS = Path("/proc/self/status")
DAMAGED, BOMB, UNREACHABLE = 65, 66, 67  # exit codes; the fault's line is on standard error


def main(path: str, columns: list[str], most_bytes: int, more: dict[str, Any]) -> int:
    """Write the columns of all rows in at most `most_bytes` more memory; return the exit code.

    `more` may have `groups`, the row groups that are read, and `contact`, which makes a web server
    be asked by our own client.
    """
    unreachable: type[Exception] | tuple[()] = ()  # what place raises, where it is imported
    try:
        file = path
        if "://" in path or "::" in path:
            from pipeline.sources.ranged import open_ranged
            from queries.tables.errors import UserError

            unreachable = UserError
            file = pa.PythonFile(open_ranged(path, more.get("contact")), "r")
        bound_memory(most_bytes)
        table = pq.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)
        groups = more.get("groups")
        write(table, columns, list(range(table.num_row_groups)) if groups is None else groups)
    except MemoryError as error:
        return failed(BOMB, error)
    except Exception as error:  # of whatever kind: the process has nothing else to do
        return failed(UNREACHABLE if isinstance(error, unreachable) else DAMAGED, error)
    return 0


def bound_memory(most_bytes: int) -> None:
    """Limit this process's growth to `most_bytes`; beyond it, Arrow's allocations fail."""
    if STATUS.exists():  # on Linux
        line = next(line for line in STATUS.read_text().splitlines() if line.startswith("VmData:"))
        most = int(line.split()[1]) * 1024 + most_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def write(file: pq.ParquetFile, columns: list[str], groups: list[int]) -> None:
    """Write the rows of the groups; a column may be a field of a struct, `image.url`."""
    left = sum(file.metadata.row_group(group).num_rows for group in groups)
    fields = file.read_row_groups([], columns=columns, use_threads=False).schema
    schema = pa.schema([(field.name, decoded(field.type)) for field in fields])
    with pa.ipc.new_stream(sys.stdout.buffer, schema) as out:
        for batch in file.iter_batches(
            batch_rows(file.metadata), row_groups=groups, columns=columns, use_threads=False
        ):
            arrays = [column.cast(kind) for column, kind in zip(batch, schema.types, strict=True)]
            whole = pa.RecordBatch.from_arrays(arrays, schema=schema)
            n_rows = max(1, BATCH_ROWS * BATCH_BYTES // max(BATCH_BYTES, whole.nbytes))
            for start in range(0, whole.num_rows, n_rows):
                out.write_batch(whole.slice(start, n_rows))
            left -= batch.num_rows
    if left:
        raise ValueError(f"{left} rows fewer than the footer says")


def decoded(kind: pa.DataType) -> pa.DataType:
    """The type of the values where a column holds each of them once."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def batch_rows(metadata: Any) -> int:
    """How many rows take about BATCH_BYTES, by the sizes of row groups in the footer."""
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    wide = [group.total_byte_size // group.num_rows for group in groups if group.num_rows > 0]
    return max(1, min(BATCH_ROWS, BATCH_BYTES // max([1, *wide])))


def failed(code: int, error: BaseException) -> int:
    print(" ".join(str(error).split())[:300], file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]), json.loads(sys.argv[4])))
