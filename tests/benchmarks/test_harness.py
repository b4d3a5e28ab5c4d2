"""benchmarks.harness: what is printed."""

from benchmarks.harness import Row, show


def test_a_note_in_brackets_is_printed(capsys):
    show("read", [Row("all", "s", [1.0], "peer", [2.0])], interval_95=[39.8, 47.6])
    assert "interval 95: [39.8, 47.6]" in capsys.readouterr().out
