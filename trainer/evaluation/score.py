"""How well each pair of a build agrees with a trained model: `score(build, run, to)`.

Source: DataComp (Gadre et al. 2023), whose best simple filter keeps the pairs of the highest cosine
of picture and caption. Here the model is trained on the build itself: a bootstrapped filter.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from queries.engine.progress import shown
from queries.tables.parts import write_part
from queries.tables.schemas import TABLES
from trainer.data.loader import Loader
from trainer.data.prefetch import prefetched
from trainer.data.reading import Data, read_samples
from trainer.data.samples import Samples
from trainer.model.checkpoint import Checkpoint, load
from trainer.run_folder import RunFolder
from trainer.settings import TrainerError

BATCH = 128
BEST = 0.3  # DataComp's share of the pairs
QUANTILES = (1, 10, 50, 90, 99)


@dataclass(frozen=True)
class Scored:
    """The number of scored pairs, the corrupt ones, and quantiles of the scores by percent."""

    n: int
    corrupt: dict[str, str]  # key to reason
    quantiles: dict[int, float]
    best: float  # the score that the best 30% reach


class InOrder(Loader):
    """Every sample once, by pair_id, its middle square, as in evaluation."""

    def plan(self, epoch: int) -> tuple[np.ndarray, np.ndarray]:
        """In order of pair_id."""
        rows = np.argsort(self.samples.pair_ids, kind="stable")
        return rows, np.zeros(len(rows), np.uint64)

    def corners(self, bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        middle = np.full(len(bits), 0.5)
        return middle, middle


def score(
    data: Data, run: RunFolder, to: Path, captions: Mapping[str, float] | None = None
) -> Scored:
    """Write the table clip_score of the data's pairs, by the run's model, to the file `to`.

    Of several captions the first is scored. Raises TrainerError if no picture can be read.
    """
    checkpoint = load(run)
    side = checkpoint.state.model.vision.pixels
    samples = read_samples(data, side, captions=captions)
    samples.cache_bytes = 0  # every picture is read once
    ids, cosines = cosines_of(checkpoint, samples)
    ascending = np.sort(cosines[~np.isnan(cosines)])
    if len(ascending) == 0:
        raise TrainerError(f"{data}: none of {len(ids):,} pictures can be read")
    columns = [pa.array(ids, pa.int64()), pa.array(cosines, pa.float32(), from_pandas=True)]
    table = TABLES["clip_score"]
    write_part(to, table, [pa.RecordBatch.from_arrays(columns, schema=table.schema)])
    at = {percent: float(ascending[len(ascending) * percent // 100]) for percent in QUANTILES}
    best = float(ascending[len(ascending) - max(1, round(BEST * len(ascending)))])
    return Scored(len(ids), dict(sorted(samples.corrupt.items())), at, best)


@torch.inference_mode()
def cosines_of(checkpoint: Checkpoint, samples: Samples) -> tuple[np.ndarray, np.ndarray]:
    """pair_id, ascending, and cosine of picture and caption, (N,) each; nan: corrupt picture."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model, config = checkpoint.model.to(device), checkpoint.state.model
    loader = InOrder(
        samples, checkpoint.tokenizer, config.text.context, config.vision.pixels, BATCH, seed=0
    )
    ids = np.sort(samples.pair_ids)
    cosines = np.full(len(ids), np.nan, np.float32)
    with (
        shown("score", len(ids), "pairs", rate=True) as step,
        closing(prefetched(loader.epoch(0))) as batches,
    ):
        for batch in batches:
            if batch.keys:
                images = torch.from_numpy(batch.images).to(device)
                tokens = torch.from_numpy(batch.tokens).to(device)
                image, text, _ = model(images, tokens)
                where = np.searchsorted(ids, batch.pair_ids)
                cosines[where] = (image * text).sum(dim=1).cpu().numpy()
            step.update(len(batch.keys))
            batch.release()
    return ids, cosines
