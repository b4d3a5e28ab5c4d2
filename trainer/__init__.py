"""Shards to a CLIP model, and an honest report of it."""

import os

# Before torch loads its OpenMP: by default a thread spins 10 to 40 ms at each barrier for one
# that has lost its core to another program; a step has hundreds of barriers. Measured on 2
# shared cores: steps of .09 s that now and then took 6 s took .5 s at most with this count.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")
