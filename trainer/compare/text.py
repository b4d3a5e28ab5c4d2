"""What a comparison says on the terminal: equal compute, accuracies, and paired differences."""

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from trainer.compare.results import last_rows
from trainer.evaluation.results import percent


def show(rows: Sequence[dict], runs: Sequence[dict], console: Console) -> None:
    """Print the table of compute, and that of accuracies at the last point."""
    console.print(compute(runs))
    console.print(accuracies(last_rows(rows)))


def compute(runs: Sequence[dict]) -> Table:
    """A row for each arm: sums over its runs, of which samples and steps must be equal."""
    table = Table(title="compute of a run, the mean over seeds")
    table.add_column("arm")
    for heading in ("pairs", "samples seen", "steps", "pictures decoded", "CPU s"):
        table.add_column(heading, justify="right")
    for arm in dict.fromkeys(run["arm"] for run in runs):
        own = [run for run in runs if run["arm"] == arm]
        means = [
            sum(run[name] for run in own) / len(own)
            for name in ("pairs", "samples_seen", "steps", "decoded", "cpu_seconds")
        ]
        table.add_row(escape(arm), *(f"{mean:,.0f}" for mean in means))
    return table


def accuracies(rows: Sequence[dict]) -> Table:
    """A row for each set, group of classes and arm; an interval without zero is marked."""
    table = Table(title=f"zero-shot top-1 after {rows[0]['samples_seen']:,} samples")
    for heading in ("set", "classes", "arm"):
        table.add_column(heading)
    for heading in ("images", "%", "95% interval", f"less {escape(rows[0]['baseline'])}", "95%"):
        table.add_column(heading, justify="right")
    before = None
    for row in rows:
        place = (row["eval_set"], row["class_group"])
        if place != before:
            table.add_section()
        labels = place if place != before else ("", "")
        before = place
        interval = f"{percent(row['low'])} to {percent(row['high'])}"
        numbers = (f"{row['images']:,}", percent(row["accuracy"]), interval, *difference(row))
        table.add_row(*map(escape, labels), escape(row["arm"]), *numbers)
    return table


def difference(row: dict) -> tuple[str, str]:
    """
    >>> difference({"difference": 0.051, "difference_low": 0.02, "difference_high": 0.08})
    ('+5.10 *', '+2.00 to +8.00')
    >>> difference({"difference": None})
    ('', '')
    """
    if row["difference"] is None:
        return "", ""
    value, low, high = (
        100 * row[name] for name in ("difference", "difference_low", "difference_high")
    )
    mark = "" if low <= 0 <= high else " *"
    return f"{value:+.2f}{mark}", f"{low:+.2f} to {high:+.2f}"


def sure(rows: Sequence[dict]) -> str:
    """What the marks say, in a line.

    >>> sure([{"difference": 0.1, "difference_low": -0.1, "difference_high": 0.3}])
    '0 of 1 differences have an interval without zero (*); by chance 1 of 20 would'
    """
    compared = [row for row in rows if row["difference"] is not None]
    apart = [row for row in compared if not row["difference_low"] <= 0 <= row["difference_high"]]
    return (
        f"{len(apart)} of {len(compared)} differences have an interval without zero (*); by "
        "chance 1 of 20 would"
    )
