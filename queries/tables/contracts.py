"""What several packages write and read, and must agree upon: the names stand here once.

The pipeline and the trainer never import each other. They meet in files: a build, a list of
exclusions, the folder of a run, and a checkpoint.
"""

import hashlib
from pathlib import Path

from queries.tables.manifest import MANIFEST

# A folder of fetched pictures: what was asked for, what was heard of training, hashes that lists
# asked for, the bytes, and where bytes went that it gave up. Parts of 0.1.0 lack the second and
# third, and a part that no list asked for a hash lacks the third.
FETCHED, HEARD, HASHED = "fetched.parquet", "heard.parquet", "hashed.parquet"
IMAGES, MOVED = "images.parquet", "moved.parquet"

# A list of exclusions: the trainer writes them, FilterPairs reads them.
EXCLUSION_COLUMNS = ("kind", "value", "radius", "reason", "date")
MOST_BITS = 6  # of pHash, the greatest radius: further away is another picture as often as not
PDQ_BITS = 31  # of PDQ, its usual and greatest radius, as partners exchange it

# The folder of a run: the trainer writes it, the report and a takedown read it.
RUN_RECORD, TRAINING_LOG = "run.json", "train.jsonl"
CHECKPOINT_STATE = "buildwit"  # in the metadata of a safetensors file: the key of a JSON object


def manifest_digest(build: Path) -> str:
    """The sha256 of a build's manifest: by it a checkpoint names what it was trained on."""
    return hashlib.sha256((build / MANIFEST).read_bytes()).hexdigest()
