"""The tests, in folders as the code that they hold; tests of the whole stand beside this file."""

from pathlib import Path

ROOT = Path(__file__).parent.parent
