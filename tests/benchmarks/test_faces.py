"""What is found and what is false, from what is counted; the counts themselves need packages."""

from benchmarks.faces import Counted, rows


def test_no_more_faces_are_found_than_there_are_and_the_others_are_false():
    counted = [
        *(
            Counted("photograph", faces, counted)
            for faces, counted in ((1, 1), (4, 3), (1, 2), (2, 0))
        ),
        *(Counted("nobody", 0, counted) for counted in (0, 2)),
    ]
    assert rows(counted) == [
        ("photograph", "4", "4", "3 (30 to 95%)", "8", "5 (31 to 86%)", "3", "1"),
        ("nobody", "2", "0", "1 (9 to 91%)", "0", "0", "0", "2"),
    ]
