"""benchmarks.large_captions: its build is what it says, and the commands run on it in bounds."""

import pytest

from benchmarks import large_captions


@pytest.mark.slow
def test_train_where_and_score_have_the_captions_in_memory_once(tmp_path):
    total, most = large_captions.measured(tmp_path, per_shard=64, seconds=5)
    assert total > 8 * 64 * 48_000
    assert set(most) == {"train", "train --where", "score"}
    assert max(most.values()) < large_captions.limit(total)
