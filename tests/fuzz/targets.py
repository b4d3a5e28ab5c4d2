"""Every target by its name."""

from tests.fuzz import files, media, parquet, texts

TARGETS = {
    one.name: one for one in (*texts.TARGETS, *files.TARGETS, *media.TARGETS, *parquet.TARGETS)
}
