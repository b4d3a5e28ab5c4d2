"""What was heard of training as tables: the statements of crawled pages, and the policies."""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.rights.signals import read, reason_of, refuses
from pipeline.settings.consent import ConsentSettings
from queries.tables.schemas import TABLES


def heard_on_pages(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Map: rows of `filtered` in, rows of `page_heard` out.

    Only what else would be kept, or is lost for this alone, has rows: nobody asked for the others.
    """
    for batch in batches:
        alone = pc.or_kleene(pc.is_null(batch["reason"]), pc.equal(batch["reason"], "opted_out"))
        speaks = pc.is_valid(batch["page_signals"])
        speaking = batch.filter(pc.and_(pc.fill_null(alone, False), speaks))
        rows = [
            {
                "pair_id": row["pair_id"],
                "signal": statement.signal,
                "value": statement.value,
                "refuses": refuses(statement, of_page=True),
                "place": "page",
                "url": row["page_url"],
                "seen": row["page_date"],
            }
            for row in speaking.to_pylist()
            for statement in read(row["page_signals"])
        ]
        yield pa.RecordBatch.from_pylist(rows, TABLES["page_heard"].schema)


def policies(consent: ConsentSettings) -> pa.Table:
    """Table `policy`."""
    signals = ("robots", *consent.signals)
    rows = [
        {
            "signal": signal,
            "policy": "obey" if consent.obeys(signal) else "record",
            "reason": reason_of(signal),
        }
        for signal in signals
    ]
    return pa.Table.from_pylist(rows, TABLES["policy"].schema)
