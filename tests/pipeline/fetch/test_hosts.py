"""No host is asked more often, or by more at once, than it should be; a clock of the test's own."""

import threading
from collections import Counter
from itertools import pairwise

import pytest
from pydantic import ValidationError

from pipeline.fetch.hosts import Hosts, LaterError, RobotsAnswer, interleaved
from pipeline.settings.fetch import GuardSettings


class Clock:
    """Moves when someone sleeps."""

    def __init__(self) -> None:
        self.time = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds


def hosts(clock: Clock, **settings) -> Hosts:  # type: ignore[no-untyped-def]
    return Hosts(GuardSettings(**settings), clock.now, clock.sleep)


def test_turns_at_one_host_come_at_its_rate():
    clock, starts = Clock(), []
    one = hosts(clock, per_host_rate=4.0)
    for _ in range(3):
        with one.slot("a.org"):
            starts.append(clock.time)
    assert starts == [1000.0, 1000.25, 1000.5]


@pytest.mark.parametrize(("times", "apart"), [(1, 10), (3, 30), (0, 0.25)])
def test_a_crawl_delay_is_kept_between_requests(times, apart):
    clock, starts = Clock(), []
    one = hosts(clock, per_host_rate=4.0, crawl_delay=times)
    one.space("a.org", 10)
    for _ in range(3):
        with one.slot("a.org"):
            starts.append(clock.time)
    assert starts == [1000, 1000 + apart, 1000 + 2 * apart]


def test_a_crawl_delay_never_quickens():
    clock, starts = Clock(), []
    one = hosts(clock, per_host_rate=0.5)
    one.space("a.org", 1)
    for _ in range(2):
        with one.slot("a.org"):
            starts.append(clock.time)
    assert starts == [1000, 1002]


def test_a_crawl_delay_beyond_the_longest_wait_is_asked_for_later():
    clock = Clock()
    one = hosts(clock, max_wait_s=60)
    one.space("a.org", 86_400)
    with one.slot("a.org"):
        pass
    clock.time += 30
    with pytest.raises(LaterError) as later, one.slot("a.org"):
        pass
    assert later.value.wait_s == 86_370


def test_who_fetch_at_once_share_a_crawl_delay():
    assert GuardSettings().shared_by(3).crawl_delay == 3


def test_hosts_do_not_wait_for_each_other():
    clock = Clock()
    one = hosts(clock, per_host_rate=0.1)
    for name in ("a.org", "b.org", "c.org"):
        with one.slot(name):
            pass
    assert clock.slept == []


def test_no_host_has_more_than_its_places():
    one, inside, most = Hosts(GuardSettings(per_host=3, per_host_rate=10_000)), Counter(), []

    def ask(n: int) -> None:
        name = f"{n % 2}.org"
        for _ in range(20):
            with one.slot(name):
                inside[name] += 1
                most.append(inside[name])
                inside[name] -= 1

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 320
    assert max(most) <= 3


def test_a_pause_holds_all_turns_of_its_host():
    clock = Clock()
    one = hosts(clock, per_host_rate=1000)
    with one.slot("a.org"):
        one.pause("a.org", 7)
    with one.slot("b.org"):
        assert clock.time == 1000
    with one.slot("a.org"):
        assert clock.time == 1007


def test_a_shorter_pause_does_not_shorten_a_longer_one():
    clock = Clock()
    one = hosts(clock)
    with one.slot("a.org"):
        one.pause("a.org", 30)
        one.pause("a.org", 1)
    with one.slot("a.org"):
        assert clock.time == 1030


def test_a_pause_beyond_the_longest_wait_refuses_turns_until_it_is_over():
    clock = Clock()
    one = hosts(clock, max_wait_s=60)
    with one.slot("a.org"):
        one.pause("a.org", 61)
    clock.time += 30  # 31 s would be borne; but then the moment would decide who is refused
    with pytest.raises(LaterError) as later, one.slot("a.org"):
        pass
    assert later.value.wait_s == 31
    clock.time += 31
    with one.slot("a.org"):
        pass
    assert clock.slept == []


def test_a_place_is_given_back_by_who_fails():
    one = hosts(Clock(), per_host=1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), one.slot("a.org"):
            raise ZeroDivisionError


def test_backoff_doubles_differs_by_url_and_has_an_end():
    one = hosts(Clock(), backoff_s=2, max_wait_s=20)
    waits = [one.backoff_s("http://a.org/1", tries) for tries in range(1, 9)]
    for n, wait in enumerate(waits):
        assert wait == 20 or 2**n <= wait <= 3 * 2**n
    assert waits[-1] == 20
    assert one.backoff_s("http://a.org/2", 1) != waits[0]


def test_a_host_is_dead_after_failures_in_a_row():
    one = hosts(Clock(), dead_after=3)
    for moves, dead in (("ff", False), ("r", False), ("ff", False), ("f", True), ("f", True)):
        for move in moves:
            (one.failed if move == "f" else one.reached)("http://a.org")
        assert one.is_dead("http://a.org") is dead
    assert not one.is_dead("https://a.org")


def test_robots_are_asked_once_and_a_failure_is_shared():
    one, asked = hosts(Clock()), []

    def ask() -> RobotsAnswer:
        asked.append(1)
        raise ValueError("a fault of ours")

    for _ in range(2):
        with pytest.raises(ValueError, match="a fault of ours"):
            one.robots("http://a.org", ask)
    assert asked == [1]


def test_the_rows_of_a_large_host_are_spread_from_first_to_last():
    names = ["big"] * 50 + [f"small{n}" for n in range(50)]
    order = interleaved(names)
    assert sorted(order) == list(range(100))
    places = [place for place, row in enumerate(order) if names[row] == "big"]
    assert max(after - before for before, after in pairwise(places)) <= 8
    assert places[0] <= 8
    assert places[-1] >= 91


def test_the_rows_of_one_host_keep_their_order():
    assert interleaved(["a"] * 9) == list(range(9))
    assert interleaved([]) == []


@pytest.mark.parametrize("network", ["10.0.0.1/8", "localhost", "10.0.0.0/33", ""])
def test_a_network_must_be_one(network):
    with pytest.raises(ValidationError, match="a network such as"):
        GuardSettings(allow_networks=(network,))


def test_no_network_is_allowed_by_default():
    assert GuardSettings().allow_networks == ()
    assert GuardSettings().robots == "respect"
