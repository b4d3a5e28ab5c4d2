"""Builds that are disturbed at moments drawn from a seed, and what must be true of the next ones.

    python -m tests.chaos --runs 200   # the table of docs/reliability.md

A run disturbs a small build once or several times, goes on with the same command, undisturbed, and
compares what it made with a build that nothing disturbed: every table, shard and manifest, byte for
byte. Where the network answered otherwise meanwhile, what was lost is asked for again first.
"""
