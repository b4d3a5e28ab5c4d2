"""What cuts runs of scripts without spaces into words: ICU, or another one that is installed.

Each is an optional package, imported only where a build uses it.
"""

from importlib.metadata import PackageNotFoundError, version

from queries.tables.errors import UserError

# Of each segmenter, the packages whose versions decide its cuts: the code's, and its dictionary's.
PACKAGES = {
    "icu": ("icu4py",),
    "rjieba": ("rjieba",),
    "sudachi": ("sudachipy", "sudachidict_small"),
    "fugashi": ("fugashi", "unidic_lite"),
    "nlpo3": ("nlpo3",),
    "none": (),
}
INSTALL = "pip install '.[languages]'"


def resolve(name: str) -> tuple[str, str]:
    """The segmenter that a setting means, and its version with that of its dictionary.

    >>> resolve("none")
    ('none', '')

    "auto" is "icu" where icu4py is installed, else "none". Raises UserError for one that is not
    installed.
    """
    if name == "auto":
        try:
            return resolve("icu")
        except UserError:
            return "none", ""
    try:
        versions = [f"{package} {version(package)}" for package in PACKAGES[name]]
    except PackageNotFoundError as error:
        cure = INSTALL if name == "icu" else f"pip install {' '.join(PACKAGES[name])}"
        raise UserError(
            f"text.segmenter = {name!r}: {error.name} is not installed: {cure}"
        ) from None
    return name, ", ".join(versions)
