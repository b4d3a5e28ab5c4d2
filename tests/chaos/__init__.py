"""Builds that are disturbed at moments drawn from a seed, and the checks of the builds after them.

    python -m tests.chaos --runs 200   # the table of docs/reliability.md

A run disturbs a small build once or several times, continues with the same command undisturbed, and
compares the result with an undisturbed build: every table, shard and manifest, byte for byte. Where
the disturbance changed answers of the network, the run first requests the lost pictures again.
"""
