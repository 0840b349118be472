"""Workers that have served, lived or grown enough are replaced, and no client notices."""

import contextlib
import os
import re
import signal

import pytest

import fastcgi
from herd import (
    SLOWNESS,
    WHOAMI,
    Load,
    descriptors,
    plain_memory,
    process_alive,
    process_stat,
    session_processes,
    wait_until,
)

GROWING = """
$kept = []
run ->(env) do
  $kept << "x" * (1024 * 1024)
  [200, {}, [File.open("/proc/self/stat") { |f| f.gets.to_i.to_s }]]
end
"""

INTERNING = """
$serial = 0
run ->(env) do
  500.times { $serial += 1; ("a_symbol_of_its_own_%d" % $serial).to_sym } if env["PATH_INFO"] == "/intern"
  [200, {}, [File.open("/proc/self/stat") { |f| f.gets.to_i.to_s }]]
end
"""

HOARDING = """
$kept = []
run ->(env) do
  env["QUERY_STRING"].to_i.times { $kept << "x" * (1024 * 1024) }
  [200, {}, [File.open("/proc/self/stat") { |f| f.gets.to_i.to_s }]]
end
"""

HOLDING = """
run ->(env) do
  File.open("%s") { |f| f.read } if env["PATH_INFO"] == "/hold"
  [200, {}, ["served"]]
end
"""

AGE = "%ds" % SLOWNESS  # longer than a worker takes to come up


def obituaries(herd, reason):
    """(requests, reason) of every worker that was recycled."""
    lines = herd.log_lines(" ended: exit status 0", "told to go: ")
    found = [re.search(r" and (\d+) requests; told to go: (.*)$", line) for line in lines]
    return [(int(match[1]), match[2]) for match in found if match and re.search(reason, match[2])]


def recycled(herd):
    return herd.pool()["recycled"]


def taken(herd):
    """What the pool takes of its budget, as the supervisor has weighed it."""
    return herd.pool()["memory"]["taken"]


def assert_no_failure(load, herd):
    assert load.failures == [] and load.refused == []
    ledger = herd.ledger()
    assert ledger["lost"] == 0 and ledger["error_answered"] == 0 and ledger["client_gone"] == 0


# -- requests


@pytest.mark.parametrize("workers", [1, 2])
def test_with_a_limit_of_one_every_request_has_a_process_of_its_own(cowherd, workers):
    cowherd.configure(workers=workers, recycle={"requests": 1})
    cowherd.app(WHOAMI)
    cowherd.start(ready=False)  # there is one more from the beginning
    cowherd.wait_until(lambda: cowherd.try_status() and cowherd.pool()["state"] == "serving")
    pids = [cowherd.request().text for _ in range(23)]
    assert len(set(pids)) == 23
    cowherd.wait_until(lambda: recycled(cowherd)["requests"] == 23)
    assert all(count == 1 for count, _ in obituaries(cowherd, "it has served 1 requests"))
    cowherd.wait_ledger(completed=23)


@pytest.mark.parametrize("jitter", [0, 20])
def test_the_number_of_requests_is_exact(cowherd, jitter):
    cowherd.configure(workers=4, recycle={"requests": 10, "jitter": "%d%%" % jitter if jitter else 0})
    cowherd.app(WHOAMI)
    cowherd.start()
    with Load(cowherd) as load:
        load.wait_answers(1000)
    assert_no_failure(load, cowherd)
    served = [count for count, _ in wait_until(lambda: obituaries(cowherd, "it has served"))]
    assert len(served) >= 60
    assert set(served) <= set(range(10 - jitter // 10, 11 + jitter // 10)), sorted(served)
    assert jitter == 0 or len(set(served)) > 1, "the limits are spread"
    assert recycled(cowherd)["requests"] >= len(served)
    assert not cowherd.log_lines("die young")


def test_kept_connections_survive_their_worker(cowherd):
    """A kept connection is closed at the end, between two requests: its client has every answer."""
    cowherd.configure(workers=2, recycle={"requests": 10, "jitter": 0})
    cowherd.app(WHOAMI)
    cowherd.start()
    served = {}
    for _ in range(20):
        with cowherd.connect() as connection:
            for answered in range(11):
                try:
                    pid = connection.request(keep=True).text
                except (fastcgi.ConnectionClosed, BrokenPipeError, ConnectionResetError) as closed:
                    response = getattr(closed, "response", None)
                    assert answered > 0 and (response is None or not response.started)
                    break
                served[pid] = served.get(pid, 0) + 1
    assert len(served) >= 10
    assert max(served.values()) == 10


def test_the_replacement_is_there_before_the_last_request(cowherd):
    fifo = cowherd.fifo()
    cowherd.configure(workers=1, recycle={"requests": 2, "jitter": 0})
    cowherd.app(HOLDING % fifo)
    cowherd.start()
    first = cowherd.workers()[0]["pid"]
    cowherd.request()
    cowherd.wait_until(lambda: len(cowherd.workers()) == 2 and all(w["state"] == "idle" for w in cowherd.workers()))
    assert first in cowherd.worker_pids(), "it still has one to serve"
    assert recycled(cowherd)["requests"] == 0


def test_a_worker_whose_mold_is_gone_serves_on(cowherd):
    """Nobody could be forked in its place while no new generation can be loaded."""
    cowherd.deaths_expected = True
    cowherd.configure(workers=1, recycle={"requests": 10, "jitter": 0})
    app = cowherd.app(WHOAMI)
    cowherd.start()
    pid = cowherd.workers()[0]["pid"]
    app.write_text("raise 'not now'")
    mold = cowherd.pool()["mold"]["pid"]
    os.kill(mold, signal.SIGKILL)
    cowherd.wait_log("mold", "pid %d" % mold, "SIGKILL")
    assert {cowherd.request().text for _ in range(30)} == {str(pid)}


def test_a_worker_without_room_takes_connections_when_its_mold_is_gone(cowherd):
    """Its last requests are spoken for by connections that say nothing, and it sleeps."""
    cowherd.deaths_expected = True
    cowherd.configure(workers=1, recycle={"requests": 3, "jitter": 0}, timeouts={"header": "60s"})
    config = cowherd.app(WHOAMI)
    cowherd.start()
    (pid,) = cowherd.worker_pids()
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(cowherd.connect())
        cowherd.wait_until(lambda: cowherd.workers()[0]["connections"] == 3)
        wait_until(lambda: process_stat(pid)[0] == "S")
        waiting = stack.enter_context(cowherd.connect())
        response = waiting.start()
        config.write_text("raise 'can not load'")
        os.kill(cowherd.pool()["mold"]["pid"], signal.SIGKILL)
        assert waiting.read_response(response).text == str(pid)


def continue_process(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_last_request_is_the_last_also_where_a_connection_came_with_it(cowherd, workers):
    """One look tells a worker of both. The other connection is the next worker's, or another's, who is woken."""
    cowherd.configure(workers=workers, recycle={"requests": 3, "jitter": 0}, timeouts={"idle": "60s"})
    cowherd.app(WHOAMI)
    cowherd.start()
    with contextlib.ExitStack() as stack:
        kept = stack.enter_context(cowherd.connect())
        pid = int(kept.request(keep=True).text)
        others = [cowherd.pool()["mold"]["pid"], *(cowherd.worker_pids() - {pid})]
        for each in [*others, pid]:
            if each == pid:
                kept.request(keep=True)
            os.kill(each, signal.SIGSTOP)
            stack.callback(continue_process, each)
            wait_until(lambda each=each: process_stat(each)[0] == "T")
        new = stack.enter_context(cowherd.connect())
        fast, last = new.start(), kept.start(keep=True)
        continue_process(pid)
        assert int(kept.read_response(last).text) == pid
        for other in others:
            continue_process(other)
        assert int(new.read_response(fast).text) != pid
    cowherd.wait_ledger(accepted=4, completed=4)


# -- age


def test_a_worker_that_is_old_is_replaced_under_load(cowherd):
    cowherd.configure(workers=2, recycle={"age": AGE})
    cowherd.app(WHOAMI)
    cowherd.start()
    before = cowherd.worker_pids()
    with Load(cowherd, threads=2) as load:
        cowherd.wait_until(lambda: not before & cowherd.worker_pids())
        load.wait_answers(10)
    assert_no_failure(load, cowherd)
    assert recycled(cowherd)["age"] >= 2
    assert len({body for _, body in load.answers}) >= 3
    for _, reason in obituaries(cowherd, "old"):
        assert float(re.match(r"it is ([0-9.]+) s old$", reason)[1]) >= 0.9 * SLOWNESS
    assert "for age" in cowherd.command("status").stdout


def test_no_request_is_interrupted(cowherd):
    fifo = cowherd.fifo()
    cowherd.configure(workers=1, recycle={"age": AGE})
    cowherd.app(HOLDING % fifo)
    cowherd.start()
    with cowherd.connect() as connection:
        response = connection.start(uri="/hold")
        with fifo.wait_reader():
            busy = who_reads(cowherd, fifo)
            cowherd.wait_until(lambda: beside_draining(cowherd, busy))
            assert recycled(cowherd)["age"] >= 1
            assert cowherd.request().text == "served", "another is in its place"
            assert process_alive(busy)
        connection.read_response(response)
        assert response.body == b"served"
    cowherd.wait_until(lambda: not process_alive(busy))


# -- private memory


def test_a_worker_that_grows_is_replaced(cowherd):
    cowherd.configure(workers=2, recycle={"private_memory": "8MiB"})
    cowherd.app(GROWING)
    cowherd.start()
    grown = set()
    with Load(cowherd, threads=1, check=lambda response: grown.add(response.text) or response.status == 200) as load:
        load.wait_answers(40)
    first = cowherd.worker_pids()
    cowherd.wait_until(lambda: recycled(cowherd)["private_memory"] >= 1)
    assert_no_failure(load, cowherd)
    line = cowherd.wait_log("told to go: its private memory has grown by")[0]
    assert float(re.search(r"grown by ([0-9.]+) MiB", line)[1]) >= 7
    assert re.search(r"\(pid (\d+),", line)[1] in grown
    cowherd.wait_until(lambda: first != cowherd.worker_pids() or recycled(cowherd)["private_memory"] >= 2)


# -- symbols


def test_a_worker_that_interns_without_end_is_replaced(cowherd):
    cowherd.configure(workers=1, recycle={"symbols": 2000, "jitter": 0})
    cowherd.app(INTERNING)
    cowherd.start()
    first = cowherd.request("/").text
    assert cowherd.workers()[0]["symbols"] < 100, "what was interned before the fork does not count"
    for _ in range(3):
        assert cowherd.request("/intern").text == first
    cowherd.wait_until(lambda: 1500 <= cowherd.workers()[0]["symbols"] < 2000)
    with Load(cowherd, threads=2, uri="/intern") as load:
        load.wait_answers(10)
        cowherd.wait_until(lambda: recycled(cowherd)["symbols"] >= 1)
        cowherd.wait_until(lambda: int(first) not in cowherd.worker_pids())
    assert_no_failure(load, cowherd)
    line = cowherd.wait_log("(pid %s," % first, "told to go: it has interned")[0]
    assert int(re.search(r"interned (\d+) symbols", line)[1]) >= 2000
    last = cowherd.pool()["last_recycled"]
    assert last["reason"] == "symbols" and "symbols, which are never freed" in last["because"]


def test_symbols_don_t_matter_when_the_rule_is_off(cowherd):
    cowherd.configure(workers=1, recycle={"symbols": 0}, timeouts={"request": 0, "hard": 0})
    cowherd.app(INTERNING)
    cowherd.start()
    pid = cowherd.request("/").text
    for _ in range(50):
        assert cowherd.request("/intern").text == pid
    cowherd.wait_until(lambda: cowherd.workers()[0]["symbols"] >= 25000)
    since = cowherd.workers()[0]["uptime_s"]
    cowherd.wait_until(lambda: cowherd.workers()[0]["uptime_s"] > since + 2.5)
    assert cowherd.request("/").text == pid


# -- the pool's budget


@plain_memory
def test_the_largest_goes_when_the_pool_takes_more_than_its_budget(cowherd):
    cowherd.configure(workers=2, memory="60MiB")
    cowherd.app(HOARDING)
    cowherd.start()
    big = int(cowherd.request("/?40").text)
    cowherd.wait_until(lambda: taken(cowherd) > 40 << 20)
    assert recycled(cowherd)["memory_budget"] == 0, "the budget is kept"
    for _ in range(10):
        cowherd.request("/?2")
    with Load(cowherd, threads=2) as load:
        cowherd.wait_until(lambda: big not in cowherd.worker_pids())
        load.wait_answers(10)
    assert_no_failure(load, cowherd)
    line = cowherd.wait_log("(pid %d," % big, "told to go: the pool takes more than its memory budget of 60.0 MiB")[0]
    assert float(re.search(r"grown by ([0-9.]+) MiB", line)[1]) > 20
    assert recycled(cowherd)["memory_budget"] >= 1
    assert "for memory budget" in cowherd.command("status").stdout
    cowherd.wait_until(lambda: 0 < taken(cowherd) < 40 << 20)
    assert recycled(cowherd)["memory_budget"] == 1, "the other could stay"


def test_a_budget_that_can_t_be_kept_is_told_once(cowherd):
    cowherd.configure(workers=2, memory="1MiB")
    cowherd.app(WHOAMI)
    cowherd.start()
    pids = cowherd.worker_pids()
    line = cowherd.wait_log("web: memory: the pool takes", "of its budget of 1.0 MiB")[0]
    assert re.search(r"what is loaded takes \d+\.\d MiB, and with 2 workers .* it is \d+\.\d MiB", line), line
    assert "Raise memory" in line
    cowherd.wait_until(lambda: min(w["uptime_s"] for w in cowherd.workers()) > 11.5)
    assert cowherd.worker_pids() == pids, "replacing them would change nothing"
    assert len(cowherd.log_lines("web: memory: the pool takes")) == 1


# -- how many at once


def test_no_more_than_max_unavailable_at_once(cowherd):
    """While one drains (its request takes long), the others stay, however old."""
    fifo = cowherd.fifo()
    cowherd.configure(workers=3, recycle={"age": AGE, "max_unavailable": 1}, timeouts={"request": 0, "hard": 0})
    cowherd.app(HOLDING % fifo)
    cowherd.start()
    with cowherd.connect() as connection:
        response = connection.start(uri="/hold")
        with fifo.wait_reader():
            # (Before it, others may have been replaced.)
            held = who_reads(cowherd, fifo)
            others = cowherd.wait_until(lambda: beside_draining(cowherd, held))
            assert len(others) == 3
            cowherd.wait_until(lambda: min(w["uptime_s"] for w in cowherd.workers()) > 2.5 * SLOWNESS)
            assert beside_draining(cowherd, held) == others
        connection.read_response(response)
    cowherd.wait_until(lambda: not others & cowherd.worker_pids())


def who_reads(herd, fifo):
    """The pid of the worker that has the fifo open; old enough, it is told to go whatever it does."""
    return herd.wait_until(lambda: [pid for pid in herd.worker_pids() if reads(pid, fifo)])[0]


def reads(pid, fifo):
    try:
        return str(fifo) in descriptors(pid).values()
    except OSError:  # it has left since
        return False


def beside_draining(herd, pid):
    """The pids of the other workers once that one drains and all are known (Herd.worker_pids)."""
    states = {worker["pid"]: worker["state"] for worker in herd.workers()}
    return states.pop(pid) == "draining" and 0 not in states and set(states)


def test_several_at_once_when_they_may(cowherd):
    cowherd.configure(workers=3, recycle={"age": AGE, "jitter": 0, "max_unavailable": 3})
    cowherd.app(WHOAMI)
    cowherd.start()
    before = cowherd.worker_pids()
    cowherd.wait_until(lambda: not before & cowherd.worker_pids())
    assert recycled(cowherd)["age"] >= 3
    cowherd.wait_until(lambda: len(cowherd.workers()) == 3)


# -- together with a reload


def test_recycling_goes_on_during_reloads(cowherd):
    cowherd.configure(workers=2, recycle={"requests": 5, "age": AGE})
    cowherd.app(WHOAMI)
    cowherd.start()
    with Load(cowherd) as load:
        for generation in range(2, 6):
            load.wait_answers(100)
            result = cowherd.reload()
            assert result.returncode == 0, result.stderr
            before = recycled(cowherd)["requests"]
            load.wait_answers(100)
            cowherd.wait_until(lambda: recycled(cowherd)["requests"] > before)
            assert cowherd.pool()["generation"] == generation
    assert_no_failure(load, cowherd)
    cowherd.wait_until(lambda: {w["generation"] for w in cowherd.workers()} == {5})
    wait_until(lambda: len(session_processes(cowherd.process.pid)) == 4, what="one mold is left, and two workers")


def test_nothing_is_recycled_without_rules(cowherd):
    cowherd.app(WHOAMI)
    cowherd.start()
    pids = cowherd.worker_pids()
    with Load(cowherd, threads=2) as load:
        load.wait_answers(500)
    assert cowherd.worker_pids() == pids
    assert set(recycled(cowherd).values()) == {0}
    assert cowherd.pool()["last_recycled"] == {}
