"""Inputs from strangers, made up: readers must give rows, a reason or a declared error.

    python -m tests.fuzz --seconds 60          # every target, as a table
    python -m tests.fuzz --seconds 600 html    # one of them

Failures are any other exception, the end of the process, more than a second of CPU time for one
input, and more than 500 MB of memory. Hypothesis makes the inputs from a seed, and
shrinks what fails; with --atheris, coverage guides the bytes that it draws from.
"""
