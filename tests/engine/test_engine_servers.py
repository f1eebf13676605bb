"""How ready a workload is by what its servers answered: who counts, and how many are enough."""

from __future__ import annotations

from dataclasses import replace

from tidegate.engine.servers import Servers
from tidegate.rollout.state import Readiness
from tidegate.runtime.interface import Instance

WORKLOAD = "a" * 64


class Site:
    """Two servers of one workload, which answer as a test says."""

    def __init__(self, wanted: int = 2) -> None:
        self.servers = Servers(lambda: 0.0)
        self.servers.want(WORKLOAD, wanted)
        self.runs(1, 1)

    def runs(self, *begun: int) -> None:
        """What the runtime shows: each replica's run by its number, 0 where it has ended."""
        self.servers.saw(
            Instance(
                name=f"digits-{replica}", model="digits", version="2.0.0", digest=WORKLOAD, replica=replica,
                address=("127.0.0.1", 9000 + replica), ref=f"{replica}-{run}", running=bool(run),
                started_at=0.0, exit_code=None if run else 137,
            )
            for replica, run in enumerate(begun)
        )  # fmt: skip

    def answers(self, replica: int, ok: bool = True) -> None:
        """One server answers its probes: well once, or badly until that is believed."""
        for _ in range(1 if ok else 3):
            self.servers.answered(self.servers.instances[f"digits-{replica}"], ok, "503", calm=5.0)

    @property
    def readiness(self) -> Readiness:
        return self.servers.readiness()[WORKLOAD]


def test_a_new_release_is_ready_when_all_its_servers_are():
    site = Site()
    site.answers(0)
    assert site.readiness is Readiness.STARTING
    site.answers(1)
    assert site.readiness is Readiness.READY


def test_a_release_starts_for_its_budget_from_the_first_answer_of_a_server_that_can_be_asked():
    site = Site()
    assert site.readiness is Readiness.COLD
    site.answers(0, ok=False)
    assert site.readiness is Readiness.STARTING
    site.servers.doubt()
    assert site.readiness is Readiness.COLD
    nowhere = replace(site.servers.instances["digits-0"], address=None)
    site.servers.saw([nowhere])
    assert site.readiness is Readiness.STARTING


def test_a_release_that_was_ready_stays_so_while_one_of_its_servers_answers():
    site = Site()
    site.answers(0)
    site.answers(1)
    assert site.readiness is Readiness.READY
    site.runs(1, 0)
    assert site.readiness is Readiness.READY
    site.runs(0, 0)
    assert site.readiness is Readiness.COLD


def test_after_all_were_lost_one_that_answers_again_is_enough_for_a_release_that_was_ready():
    site = Site()
    site.answers(0)
    site.answers(1)
    assert site.readiness is Readiness.READY
    site.answers(0, ok=False)
    site.answers(1, ok=False)
    assert site.readiness is Readiness.STARTING
    site.servers.say(WORKLOAD, "not ready in time", failed=True)
    assert site.readiness is Readiness.FAILED
    site.answers(1)
    assert site.readiness is Readiness.READY


def test_it_is_enough_too_where_the_controller_before_this_one_knew_it_ready_and_no_server_answers_at_first():
    site = Site()
    site.servers.take_over([WORKLOAD], 100.0)
    site.answers(0, ok=False)
    site.answers(1, ok=False)
    assert site.readiness is Readiness.STARTING
    site.answers(0)
    assert site.readiness is Readiness.READY


def test_servers_that_a_new_controller_finds_get_requests_though_they_are_too_busy_for_its_probes():
    site = Site()
    site.servers.want(WORKLOAD, 2, 60.0)
    site.servers.take_over([WORKLOAD], 1000.0)
    site.runs(1, 0)
    site.answers(0, ok=False)
    assert site.servers.endpoints(WORKLOAD) == (("127.0.0.1", 9000),)
    site.runs(1, 1)
    site.answers(1, ok=False)
    assert site.servers.endpoints(WORKLOAD) == (("127.0.0.1", 9000),), "the other was started later, and never answered"
    site.answers(1)
    assert site.servers.endpoints(WORKLOAD) == (("127.0.0.1", 9001),)
    site.runs(2, 2)
    assert site.servers.endpoints(WORKLOAD) == ()


def test_a_server_that_a_controller_found_within_the_longest_of_its_budgets_may_never_have_served():
    site = Site()
    site.servers.want(WORKLOAD, 2, 60.0)
    site.servers.take_over([WORKLOAD], 960.0)
    site.runs(1, 0)
    site.answers(0, ok=False)
    assert site.servers.endpoints(WORKLOAD) == ()


def test_a_release_that_nobody_needs_and_that_runs_nowhere_begins_anew():
    site = Site()
    site.answers(0)
    site.answers(1)
    assert site.readiness is Readiness.READY
    site.servers.want(WORKLOAD, 0)
    site.runs()
    assert WORKLOAD not in site.servers.readiness()
    site.servers.want(WORKLOAD, 2)
    site.runs(2, 2)
    site.answers(0)
    assert site.readiness is Readiness.STARTING


def test_servers_are_undecided_only_while_too_few_others_answer():
    site = Site(wanted=1)
    site.servers.take_over([WORKLOAD], 100.0)
    assert site.servers.undecided() == ["digits-0", "digits-1"]
    site.answers(1)  # one too many, and the only one that answers
    assert site.servers.undecided() == []
    assert site.readiness is Readiness.READY
    assert site.servers.endpoints(WORKLOAD) == (("127.0.0.1", 9001),)


def test_a_server_that_nobody_could_ask_yet_is_not_starting_so_that_its_budget_does_not_run():
    site = Site()
    assert site.readiness is Readiness.COLD
    site.servers.answered(site.servers.instances["digits-0"], False, "503", calm=5.0)
    assert site.readiness is Readiness.STARTING
    site.servers.doubt()
    assert site.readiness is Readiness.COLD
    site.servers.answered(site.servers.instances["digits-1"], False, "503", calm=5.0)
    assert site.readiness is Readiness.STARTING
