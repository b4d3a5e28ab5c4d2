"""Every target by its name."""

from tests.fuzz import files, indexes, media, parquet, texts

TARGETS = {
    target.name: target
    for target in (
        *texts.TARGETS,
        *files.TARGETS,
        *media.TARGETS,
        *parquet.TARGETS,
        *indexes.TARGETS,
    )
}
