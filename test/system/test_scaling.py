"""Pools that follow the load between bounds, down to no worker at all, and pools whose number is changed while they run."""

import contextlib
import os
import re
import signal
import time

import pytest

from herd import WHOAMI, Load, free_port, process_alive, wait_until

# /hold waits until the gate is there; /fat keeps 8 MiB.
HOLDING = """
$kept = []
run ->(env) do
  $kept << "x" * (8 * 1024 * 1024) if env["PATH_INFO"] == "/fat" && $kept.empty?
  sleep 0.01 until env["PATH_INFO"] != "/hold" || File.exist?("%s")
  [200, {}, [File.open("/proc/self/stat") { |f| f.gets.to_i.to_s }]]
end
"""


def scaled(herd, idle="300ms", **bounds):
    herd.configure(workers={"idle": idle, **bounds})
    return herd


def start(herd):
    """Ready is what the pool itself says: how many workers it has then is for the test."""
    herd.start(ready=False)
    herd.wait_until(lambda: herd.try_status() and all(pool["state"] == "serving" for pool in herd.status()["pools"]))
    return herd


def wanted(herd, pool="web"):
    return herd.pool(pool)["scaling"]["wanted"]


def settled(herd, number, pool="web"):
    """So many are wanted, and there, and none is on its way in or out: their pids."""

    def there():
        now = herd.pool(pool)
        states = [worker["state"] for worker in now["workers"]]
        pids = {worker["pid"] for worker in now["workers"]} - {0}
        counts = {now["scaling"]["wanted"], len(pids), len(states)}
        return pids if counts == {number} and set(states) <= {"idle", "busy"} else None

    return herd.wait_until(there, what=lambda: "%d workers: %s" % (number, herd.pool(pool)))


def holding(herd):
    gate = herd.directory / "gate"
    herd.app(HOLDING % gate)
    return gate


def hold(herd, count):
    """One after the other, request and all: a worker that is idle accepts connections that have sent nothing yet."""
    held = []
    for _ in range(count):
        connection = herd.connect()
        held.append((connection, connection.start(uri="/hold")))
    return held


def answers(held):
    texts = []
    for connection, response in held:
        connection.read_response(response)
        assert response.status == 200
        texts.append(response.text)
        connection.close()
    return texts


def assert_no_failure(load, herd):
    assert load.failures == [] and load.refused == []
    ledger = herd.ledger()
    assert ledger["lost"] == 0 and ledger["error_answered"] == 0 and ledger["client_gone"] == 0


# -- between bounds


@pytest.mark.parametrize("spare", [0, 1])
def test_a_pool_grows_to_its_maximum_and_shrinks_back(cowherd, spare):
    scaled(cowherd, min=1, max=4, spare=spare)
    gate = holding(cowherd)
    start(cowherd)
    (first,) = settled(cowherd, 1)
    held = hold(cowherd, 7)
    pids = settled(cowherd, 4)
    cowherd.wait_until(lambda: {worker["state"] for worker in cowherd.workers()} == {"busy"})
    assert first in pids
    gate.write_text("")
    assert len(set(answers(held))) == 4
    # The oldest is the one that stays.
    assert settled(cowherd, 1) == {first}
    assert cowherd.log_lines("told to go: fewer workers are wanted")
    cowherd.wait_ledger(completed=7)


def test_spare_workers_are_held_ready_beside_the_busy_ones(cowherd):
    scaled(cowherd, min=1, max=8, spare=2)
    gate = holding(cowherd)
    start(cowherd)
    settled(cowherd, 2)
    held = hold(cowherd, 3)
    settled(cowherd, 5)
    gate.write_text("")
    answers(held)
    settled(cowherd, 2)


def test_without_load_nothing_changes(cowherd):
    scaled(cowherd, min=2, max=6)
    cowherd.app(WHOAMI)
    start(cowherd)
    pids = settled(cowherd, 2)
    for _ in range(20):
        # (One that is not through with the last request is busy, and a next one is load.)
        cowherd.wait_until(lambda: all(worker["state"] == "idle" for worker in cowherd.workers()))
        assert int(cowherd.request().text) in pids
    assert cowherd.worker_pids() >= pids


def test_the_status_tells_bounds_and_number(cowherd):
    scaled(cowherd, min=1, max=3)
    cowherd.configure("fixed", workers=2)
    cowherd.app(WHOAMI)
    cowherd.app(WHOAMI, pool="fixed")
    start(cowherd)
    settled(cowherd, 1)
    assert cowherd.pool()["scaling"] == {"wanted": 1, "min": 1, "max": 3, "spare": 1}
    fixed = cowherd.pool("fixed")["scaling"]
    assert (fixed["wanted"], fixed["min"], fixed["max"]) == (2, 2, 2)
    table = cowherd.command("status").stdout
    assert "workers: 1 wanted, 1 to 3 configured" in table and "workers: 2 wanted, 2 configured" in table


def test_a_request_on_a_kept_connection_of_a_busy_worker_calls_for_another(cowherd):
    """No listener tells of it: its worker has given it to the others, who are busy, too."""
    scaled(cowherd, idle="1h", min=2, max=3, spare=0)
    gate = holding(cowherd)
    start(cowherd)
    with contextlib.ExitStack() as stack:
        kept = {}
        while not any(len(connections) == 2 for connections in kept.values()):
            connection = stack.enter_context(cowherd.connect())
            kept.setdefault(connection.request(keep=True).text, []).append(connection)
        first, second = next(connections for connections in kept.values() if len(connections) == 2)
        held = []
        for number, connection in enumerate([first, stack.enter_context(cowherd.connect())]):
            held.append((connection, connection.start(uri="/hold", keep=True)))
            cowherd.wait_until(lambda: [worker["state"] for worker in cowherd.workers()].count("busy") == number + 1)
        pids = settled(cowherd, 2)
        assert int(second.request(keep=True).text) not in pids
        gate.write_text("")
        assert {int(text) for text in answers(held)} == pids


# -- on demand


@pytest.mark.parametrize("listen", ["unix", "tcp"])
def test_on_demand_the_first_request_starts_a_worker(cowherd, listen):
    scaled(cowherd, min=0, max=2)
    if listen == "tcp":
        cowherd.configure(listen="127.0.0.1:%d" % free_port())
    cowherd.app(WHOAMI)
    start(cowherd)
    assert cowherd.workers() == [] and wanted(cowherd) == 0
    pids = []
    for _ in range(3):
        pids.append(int(cowherd.request().text))
        cowherd.wait_until(lambda: cowherd.workers() == [])
        assert not process_alive(pids[-1])
    assert len(set(pids)) == 3
    assert wanted(cowherd) == 0
    assert cowherd.ledger()["completed"] == 3


@pytest.mark.parametrize("idle", ["0", "300ms"])
def test_whoever_comes_while_there_is_no_worker_is_answered(cowherd, idle):
    scaled(cowherd, idle=idle, min=0, max=3)
    cowherd.app(WHOAMI)
    start(cowherd)
    for _ in range(5):
        with Load(cowherd, threads=10) as load:
            load.wait_answers(30)
        assert_no_failure(load, cowherd)
        assert len([worker for worker in cowherd.workers() if worker["state"] != "draining"]) <= 3
        cowherd.wait_until(lambda: cowherd.workers() == [])


def test_one_request_at_a_time_while_workers_come_and_go(cowherd):
    scaled(cowherd, idle="0", min=0, max=2)
    cowherd.app(WHOAMI)
    start(cowherd)
    with Load(cowherd, threads=1) as load:
        load.wait_answers(200)
    assert_no_failure(load, cowherd)
    for _ in range(20):
        assert cowherd.request().status == 200
        cowherd.wait_until(lambda: all(worker["state"] == "draining" for worker in cowherd.workers()))
    assert cowherd.ledger()["lost"] == 0


def processor_time(pid):
    with open("/proc/%d/stat" % pid) as stat:
        fields = stat.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def spins(pid):
    """Whoever does so takes all of the time that it gets."""
    before, began = processor_time(pid), time.monotonic()
    wait_until(lambda: time.monotonic() - began > 1)
    spent, elapsed = processor_time(pid) - before, time.monotonic() - began
    return spent >= elapsed / 5


def test_the_supervisor_does_not_spin_while_a_request_waits_for_its_worker(cowherd):
    scaled(cowherd, min=0, max=2)
    cowherd.app(WHOAMI)
    start(cowherd)
    mold = cowherd.pool()["mold"]["pid"]
    os.kill(mold, signal.SIGSTOP)
    try:
        with cowherd.connect() as connection:
            response = connection.start()
            cowherd.wait_until(lambda: [worker["state"] for worker in cowherd.workers()] == ["starting"])
            assert not spins(cowherd.process.pid)
            os.kill(mold, signal.SIGCONT)
            connection.read_response(response)
            assert response.status == 200
    finally:
        os.kill(mold, signal.SIGCONT)


def test_idle_workers_that_have_no_room_for_a_connection_get_company(cowherd):
    """Their last requests are spoken for. Where there may be no more workers, it waits, and nobody spins."""
    scaled(cowherd, idle="1h", min=1, max=2)
    cowherd.configure(recycle={"requests": 3, "jitter": 0}, timeouts={"header": "1h"})
    cowherd.app(WHOAMI)
    start(cowherd)
    with contextlib.ExitStack() as stack:
        for number in range(6):
            silent = stack.enter_context(cowherd.connect())
            cowherd.wait_until(lambda: sum(worker["connections"] for worker in cowherd.workers()) == number + 1)
        settled(cowherd, 2)
        waiting = stack.enter_context(cowherd.connect())
        response = waiting.start()
        assert not spins(cowherd.process.pid)
        assert cowherd.ledger()["accepted"] == 0
        silent.close()
        waiting.read_response(response)
        assert response.status == 200


def test_a_pool_on_demand_survives_reloads_and_the_death_of_its_mold(cowherd):
    cowherd.deaths_expected = True
    scaled(cowherd, min=0, max=2)
    cowherd.app(WHOAMI)
    start(cowherd)
    assert cowherd.reload().returncode == 0
    assert cowherd.pool()["generation"] == 2 and cowherd.workers() == []
    assert cowherd.request().status == 200
    cowherd.wait_until(lambda: cowherd.workers() == [])
    os.kill(cowherd.pool()["mold"]["pid"], signal.SIGKILL)
    assert cowherd.request().status == 200
    assert cowherd.pool()["generation"] == 3
    # And it stops without ever having had a worker.
    cowherd.wait_until(lambda: cowherd.workers() == [])
    assert cowherd.stop() == 0


def test_a_worker_on_demand_that_waits_for_its_last_request_leaves_too(cowherd):
    scaled(cowherd, min=0, max=2)
    cowherd.configure(recycle={"requests": 2, "jitter": 0})
    cowherd.app(WHOAMI)
    start(cowherd)
    for _ in range(3):
        assert cowherd.request().status == 200
        cowherd.wait_until(lambda: cowherd.workers() == [])


# -- by order


def scale(herd, number, pool="web"):
    return herd.command("scale", pool, number)


def test_two_three_two_keeps_the_others(cowherd):
    cowherd.app(WHOAMI)
    cowherd.start()
    pids = cowherd.worker_pids()
    for _ in range(3):
        result = scale(cowherd, 3)
        assert (result.returncode, result.stdout) == (0, "web: 3 workers are wanted, 2 before\n")
        assert settled(cowherd, 3) > pids
        assert scale(cowherd, 2).stdout == "web: 2 workers are wanted, 3 before\n"
        assert settled(cowherd, 2) == pids
    assert scale(cowherd, 1).returncode == 0
    assert settled(cowherd, 1) < pids


def test_a_number_out_of_bounds_is_refused(cowherd):
    cowherd.configure("bounded", workers={"min": 1, "max": 3, "idle": "1h"})
    cowherd.app(WHOAMI)
    cowherd.app(WHOAMI, pool="bounded")
    start(cowherd)
    for pool, number, range_of in (
        ("web", 0, "1 to 10 workers (workers in the configuration: 2)"),
        ("web", 11, "1 to 10 workers"),
        ("bounded", 0, "1 to 3 workers (workers in the configuration: min 1, max 3)"),
        ("bounded", 4, "1 to 3 workers"),
    ):
        result = scale(cowherd, number, pool)
        assert result.returncode == 1 and range_of in result.stderr, result
    assert scale(cowherd, 2, "nowhere").returncode == 1
    for wrong in ("many", "-1", "1.5", ""):
        assert cowherd.command("scale", "web", wrong).returncode == 2
    assert cowherd.command("scale", "web").returncode == 2
    assert scale(cowherd, 10).returncode == 0
    settled(cowherd, 10)
    assert scale(cowherd, 3, "bounded").returncode == 0
    settled(cowherd, 3, "bounded")


def test_a_number_lasts_until_the_configuration_is_read_anew(cowherd):
    cowherd.deaths_expected = True
    cowherd.configure(recycle={"requests": 10, "jitter": 0})
    cowherd.app(WHOAMI)
    cowherd.start()
    assert scale(cowherd, 4).returncode == 0
    settled(cowherd, 4)
    with Load(cowherd) as load:
        load.wait_answers(300)
    assert_no_failure(load, cowherd)
    assert cowherd.pool()["recycled"]["requests"] > 10
    assert wanted(cowherd) == 4
    # A mold that died is replaced by a generation of the same configuration.
    os.kill(cowherd.pool()["mold"]["pid"], signal.SIGKILL)
    cowherd.wait_generation(2)
    assert wanted(cowherd) == 4
    assert cowherd.reload().returncode == 0
    assert wanted(cowherd) == 2


def test_what_was_ordered_between_bounds_yields_to_the_load(cowherd):
    scaled(cowherd, min=1, max=4)
    cowherd.app(WHOAMI)
    start(cowherd)
    pids = settled(cowherd, 1)
    assert scale(cowherd, 4).returncode == 0
    cowherd.wait_log("4 workers are wanted, 1 before")
    assert settled(cowherd, 1) == pids


def test_ttin_and_ttou_change_every_pool_by_one(cowherd):
    cowherd.configure("bounded", workers={"min": 1, "max": 2, "idle": "1h"})
    cowherd.app(WHOAMI)
    cowherd.app(WHOAMI, pool="bounded")
    start(cowherd)
    web, bounded = settled(cowherd, 2), settled(cowherd, 1, "bounded")
    cowherd.signal(signal.SIGTTIN)
    assert settled(cowherd, 3) > web and settled(cowherd, 2, "bounded") > bounded
    cowherd.signal(signal.SIGTTIN)
    assert settled(cowherd, 4) > web
    cowherd.wait_log("bounded: it can have 1 to 2 workers")
    for number in (3, 2, 1):
        cowherd.signal(signal.SIGTTOU)
        left = settled(cowherd, number)
    (last,) = left
    assert last in web
    assert settled(cowherd, 1, "bounded") == bounded
    cowherd.signal(signal.SIGTTOU)
    cowherd.wait_log("web: it can have 1 to 10 workers")
    assert cowherd.worker_pids() == {last}


# -- under load, and with the rest


def test_no_request_fails_while_the_number_changes_all_the_time(cowherd):
    cowherd.app(WHOAMI)
    cowherd.start()
    with Load(cowherd) as load:
        for number in (6, 1, 4, 2, 8, 1, 3, 1, 2) * 3:
            assert scale(cowherd, number).returncode == 0
            load.wait_answers(20)
    assert_no_failure(load, cowherd)
    settled(cowherd, 2)
    assert not cowherd.log_lines("die young")


def test_no_request_fails_while_a_pool_breathes(cowherd):
    scaled(cowherd, idle="100ms", min=0, max=4)
    cowherd.app("run ->(env) { sleep 0.05; [200, {}, ['served']] }")
    start(cowherd)
    for _ in range(4):
        with Load(cowherd, threads=6) as load:
            cowherd.wait_until(lambda: wanted(cowherd) == 4)
            load.wait_answers(20)
        assert_no_failure(load, cowherd)
        cowherd.wait_until(lambda: wanted(cowherd) == 0)


def test_recycling_goes_on_while_a_pool_breathes(cowherd):
    scaled(cowherd, idle="100ms", min=1, max=4)
    cowherd.configure(recycle={"requests": 5, "jitter": 0, "max_unavailable": 2})
    cowherd.app("run ->(env) { sleep 0.02; [200, {}, ['served']] }")
    start(cowherd)
    for _ in range(3):
        with Load(cowherd, threads=6) as load:
            cowherd.wait_until(lambda: wanted(cowherd) == 4)
            load.wait_answers(100)
        assert_no_failure(load, cowherd)
        cowherd.wait_until(lambda: wanted(cowherd) == 1)
    served = [int(re.search(r" and (\d+) requests", line)[1]) for line in cowherd.log_lines("it has served")]
    assert len(served) > 20 and set(served) == {5}


def test_a_reload_under_load_comes_up_with_as_many_workers(cowherd):
    scaled(cowherd, idle="1h", min=1, max=5)
    cowherd.app("run ->(env) { sleep 0.02; [200, {}, ['served']] }")
    start(cowherd)
    with Load(cowherd, threads=6) as load:
        cowherd.wait_until(lambda: wanted(cowherd) == 5)
        for generation in (2, 3, 4):
            assert cowherd.reload().returncode == 0
            pool = cowherd.pool()
            fresh = [worker for worker in pool["workers"] if worker["generation"] == generation]
            assert pool["scaling"]["wanted"] == len(fresh) == 5
            load.wait_answers(20)
    assert_no_failure(load, cowherd)


# -- the budget


def test_a_pool_does_not_grow_beyond_its_budget(cowherd):
    mib = 1 << 20
    scaled(cowherd, min=1, max=6)
    cowherd.configure(memory="1GiB")
    gate = holding(cowherd)
    start(cowherd)

    figures = {}

    def taken_when_settled():
        """What is measured in turn is of different moments: about the same figures for a while, with the mold as it is
        now. (What is read of libraries is private or not, as other programs use them, too.)"""
        pool = cowherd.pool()
        now = [pool["mold"]["memory"]["rss"], pool["workers"][0]["memory"]["private"], pool["memory"]["taken"]]
        if any(abs(one - other) > mib // 2 for one, other in zip(now, figures.get("first", [0, 0, 0]))):
            figures.update(first=now, since=time.monotonic())
        settled = now[0] > mib and now[1] and time.monotonic() - figures["since"] > 3
        return settled and now[2]

    taken = cowherd.wait_until(taken_when_settled, what=lambda: "%s, %s" % (figures, cowherd.pool()))
    cowherd.configure(memory="%dMiB" % (taken // mib + 22))
    cowherd.write_configuration()
    assert cowherd.reload().returncode == 0
    settled(cowherd, 1)
    assert cowherd.request("/fat").status == 200
    cowherd.wait_until(lambda: cowherd.workers()[0]["memory"]["private"] > 7 * mib)
    cowherd.wait_until(lambda: cowherd.pool()["memory"]["taken"] > taken + 7 * mib)
    held = hold(cowherd, 6)
    cowherd.wait_log("holds the pool back at 2 workers, although the load asks for more")
    # Counted once a second, while it is looked at ten times as often.
    seconds = cowherd.pool()["all_busy"]
    cowherd.wait_until(lambda: cowherd.pool()["all_busy"] >= seconds + 2)
    settled(cowherd, 2)
    gate.write_text("")
    answers(held)
    settled(cowherd, 1)
    assert len(cowherd.log_lines("holds the pool back")) == 1
