"""Check that the pinned dependencies resolve for Python 3.12, without installing any.

wn is left out, and mlcroissant, which needs jsonpath-rw: both are published as source only.
"""

import subprocess
import sys
import tomllib
from pathlib import Path

root = Path(__file__).parent.parent
project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
wanted = [*project["dependencies"]]
for extra in ("sample", "languages", "test"):
    wanted += [
        one
        for one in project["optional-dependencies"][extra]
        if not one.startswith(("wn", "mlcroissant"))
    ]
options = [
    "--dry-run",
    "--ignore-installed",
    "--quiet",
    "--python-version",
    "3.12",
    "--only-binary",
    ":all:",
    "--target",
    "nowhere",
    "--constraint",
    str(root / "constraints.txt"),
]
done = subprocess.run([sys.executable, "-m", "pip", "install", *options, *wanted], check=False)
if done.returncode == 0:
    print(f"{len(wanted)} dependencies resolve for Python 3.12 under constraints.txt")
sys.exit(done.returncode)
