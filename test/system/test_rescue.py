"""Connections of a worker that has to be killed: what stands at the beginning of a request goes on with another."""

import contextlib
import fcntl
import os
import signal
import time

import pytest

import fastcgi
from herd import descriptors, free_port, plain_memory, process_stat, process_title, wait_until
from test_hooks import hook

APP = """
run ->(env) do
  case env["PATH_INFO"]
  when "/c" then 7 ** 40_000_000
  end
  [200, {}, [env["PATH_INFO"], env["rack.input"].read, File.open("/proc/self/stat") { |f| f.gets.to_i.to_s }]]
end
"""


# Keeps all descriptors but a few.
HOARDING_APP = """
hoard = []
run ->(env) do
  pid = File.open("/proc/self/stat") { |f| f.gets.to_i.to_s }
  if env["PATH_INFO"] == "/hoard"
    begin
      loop { hoard << File.open("/dev/null") }
    rescue SystemCallError
      4.times { hoard.pop.close }
    end
  end
  [200, {}, [env["PATH_INFO"], pid]]
end
"""


def sockets(pid):
    return sum(link.startswith("socket:") for link in descriptors(pid).values())


@pytest.fixture(params=["unix", "tcp"])
def herd(cowherd, request):
    cowherd.deaths_expected = True
    cowherd.configure(
        workers=1, timeouts={"request": "1s", "hard": "1s", "header": "60s", "body": "60s", "idle": "60s"}
    )
    if request.param == "tcp":
        cowherd.configure(listen="127.0.0.1:%d" % free_port())
    cowherd.app(APP)
    return cowherd


def connect(herd, count):
    """So many connections, each of which a worker has taken on."""
    pids = herd.worker_pids()
    before = sum(sockets(pid) for pid in pids)
    connections = [herd.connect() for _ in range(count)]
    herd.wait_until(lambda: sum(sockets(pid) for pid in pids) == before + count)
    return connections


@contextlib.contextmanager
def accepted(herd, count):
    """The same, closed at the end."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(connection) for connection in connect(herd, count)]


def served(connection, uri, **about):
    response = connection.request(uri=uri, **about)
    assert response.status == 200 and response.text.startswith(uri)
    return int(response.text[len(uri) :])


def serving(connections):
    """Who answers each of them."""
    return [served(connection, "/%d" % number) for number, connection in enumerate(connections)]


def at_rest(herd, pid):
    """Waits until the worker sleeps with nothing in hand: who reads an answer may be ahead of the one who sent it."""
    herd.wait_until(lambda: process_title(pid).endswith("(idle)") and process_stat(pid)[0] == "S")


@pytest.mark.parametrize("end", ["time-out", "crash"])
def test_connections_of_a_worker_go_on_with_another(herd, end):
    herd.start()
    (pid,) = herd.worker_pids()
    with accepted(herd, 4) as (new, kept, partial, body):
        assert served(kept, "/kept", keep=True) == pid
        head = fastcgi.head(uri="/partial")
        partial.send(head[:-20])
        body.send(fastcgi.head(method="POST", uri="/body", body_length=10))
        # It has read them when it has read what came later.
        assert served(kept, "/kept", keep=True) == pid
        at_rest(herd, pid)
        if end == "time-out":
            assert herd.request("/c").status == 504
        else:
            os.kill(pid, signal.SIGSEGV)
        (other,) = herd.wait_until(lambda: herd.worker_pids() - {pid, 0})
        assert served(new, "/new") == other
        assert served(kept, "/kept", keep=True) == other
        # What the killed worker had received is gone: the rest is given to nobody, whatever it looks like.
        smuggled = fastcgi.head(uri="/smuggled") + fastcgi.stream(fastcgi.STDIN, b"")
        for connection in (partial, body):
            connection.try_send(smuggled)
            assert connection.wait_closed() == []
    herd.wait_ledger(completed=4, error_answered=1 if end == "time-out" else 0, lost=0)


def test_a_worker_killed_from_elsewhere_loses_only_what_it_had_begun(herd):
    herd.start()
    (pid,) = herd.worker_pids()
    with accepted(herd, 6) as connections:
        partial, done, *silent = connections
        assert served(done, "/done") == pid
        assert done.wait_closed() == []  # a copy of it may be left somewhere: that is not to be seen
        head = fastcgi.head(uri="/partial")
        partial.send(head[:-20])
        # It has read that when it has read what came later.
        assert herd.request("/later").status == 200
        at_rest(herd, pid)
        os.kill(pid, signal.SIGKILL)
        (other,) = herd.wait_until(lambda: herd.worker_pids() - {pid, 0})
        assert set(serving(silent)) == {other}
        assert partial.wait_closed() == []
    herd.wait_ledger(completed=6, accepted=6, lost=0)


def test_connections_go_on_twice(herd):
    """Those that had been somebody else's are as safe as those that were accepted."""
    herd.start()
    (pid,) = herd.worker_pids()
    alone = sockets(pid)
    with accepted(herd, 4) as silent:
        assert herd.request("/later").status == 200
        for _ in range(2):
            # (One that is being received from when its worker is killed is lost.)
            herd.wait_until(lambda: sockets(pid) == alone + len(silent))
            at_rest(herd, pid)
            dead = pid
            os.kill(dead, signal.SIGKILL)
            (pid,) = herd.wait_until(lambda: herd.worker_pids() - {dead, 0})
        assert set(serving(silent)) == {pid}


def test_many_connections_go_to_those_that_are_there(herd):
    herd.configure(workers=3)
    herd.start()
    pids = herd.worker_pids()
    with accepted(herd, 60) as waiting:
        for _ in range(2):  # the second one may get many of the first one's, and not come to them
            assert herd.request("/c").status == 504
            herd.wait_until(lambda: len(herd.worker_pids() - {0}) == 3)
        victims = pids - herd.worker_pids()
        servers = serving(waiting)
    assert len(servers) == 60 and not victims & set(servers)
    herd.wait_ledger(completed=60, lost=0)


@pytest.mark.parametrize("end", ["time-out", "crash"])
def test_more_connections_than_a_channel_holds(herd, end):
    herd.start()
    (pid,) = herd.worker_pids()
    with accepted(herd, 400) as waiting:
        at_rest(herd, pid)
        if end == "time-out":
            assert herd.request("/c").status == 504
        else:
            os.kill(pid, signal.SIGABRT)
        (other,) = herd.wait_until(lambda: herd.worker_pids() - {pid, 0})
        assert set(serving(waiting)) == {other}
    herd.wait_ledger(completed=400, lost=0)


def test_a_worker_crashes_before_it_has_come_to_what_it_was_given(herd):
    herd.configure(workers=2)
    herd.start()
    with accepted(herd, 40) as waiting:
        heir, dead = pids = sorted(herd.worker_pids(), key=sockets)
        at_rest(herd, heir)
        os.kill(heir, signal.SIGSTOP)
        os.kill(dead, signal.SIGABRT)
        herd.wait_until(lambda: dead not in herd.worker_pids())  # what it held has been sent to the other one
        os.kill(heir, signal.SIGABRT)
        os.kill(heir, signal.SIGCONT)
        herd.wait_until(lambda: len(herd.worker_pids() - {0, heir, dead}) == 2)
        servers = serving(waiting)
    assert len(servers) == 40 and not set(pids) & set(servers)
    herd.wait_ledger(completed=40, lost=0)


def accepted_by(herd, pid):
    """A connection that has sent nothing, of the worker `pid`."""
    others = herd.worker_pids() - {pid}
    for other in others:
        os.kill(other, signal.SIGSTOP)
        wait_until(lambda: process_stat(other)[0] == "T")
    (connection,) = connect(herd, 1)
    for other in others:
        os.kill(other, signal.SIGCONT)
    at_rest(herd, pid)
    return connection


def is_crashing(pid, number=signal.SIGSEGV):
    """It is in its handler, and waits there."""
    with open("/proc/%d/status" % pid) as status:
        caught = int(next(line for line in status if line.startswith("SigCgt")).split()[1], 16)
    return not caught >> (number - 1) & 1 and process_stat(pid)[0] == "S"


def is_pending(pid, number):
    with open("/proc/%d/status" % pid) as status:
        pending = int(next(line for line in status if line.startswith("ShdPnd")).split()[1], 16)
    return pending >> (number - 1) & 1


def fill(pid):
    """The output of a worker whose supervisor does not read: its next word waits."""
    output = os.open("/proc/%d/fd/2" % pid, os.O_WRONLY | os.O_NONBLOCK)
    room = fcntl.fcntl(output, fcntl.F_SETPIPE_SZ, 4096)
    assert os.write(output, b"." * (room - 1) + b"\n") == room
    os.close(output)


@plain_memory
def test_a_worker_that_crashes_is_given_nothing_more(herd):
    """Two end at the same time: the supervisor hears of the one before it has heard of the other."""
    herd.configure(workers=2)
    herd.start()
    dead, crashing = pids = sorted(herd.worker_pids())
    with accepted_by(herd, dead) as orphan, accepted_by(herd, crashing) as handed_over:
        at_rest(herd, dead)
        herd.signal(signal.SIGSTOP)
        wait_until(lambda: process_stat(herd.process.pid)[0] == "T")
        os.kill(dead, signal.SIGKILL)
        wait_until(lambda: process_stat(dead)[0] == "Z")
        fill(crashing)
        os.kill(crashing, signal.SIGSEGV)
        wait_until(lambda: is_crashing(crashing))
        herd.signal(signal.SIGCONT)
        herd.wait_until(lambda: len(herd.worker_pids() - set(pids)) == 2)
        servers = {served(orphan, "/orphan"), served(handed_over, "/handed-over")}
    assert not servers & set(pids)


@plain_memory
def test_a_signal_while_a_crashing_worker_waits_for_room_costs_no_connection(herd):
    """The supervisor's reminder that a request is overdue may come then."""
    herd.start()
    (pid,) = herd.worker_pids()
    with accepted(herd, 400) as waiting:
        at_rest(herd, pid)
        herd.signal(signal.SIGSTOP)
        wait_until(lambda: process_stat(herd.process.pid)[0] == "T")
        crashed = time.monotonic()
        os.kill(pid, signal.SIGSEGV)
        wait_until(lambda: is_crashing(pid))
        os.kill(pid, signal.SIGALRM)
        wait_until(lambda: not is_pending(pid, signal.SIGALRM) and process_stat(pid)[0] == "S")
        herd.signal(signal.SIGCONT)
        if time.monotonic() - crashed > 0.5:
            pytest.skip("this machine was too slow: a crashing worker waits for a second")
        (other,) = herd.wait_until(lambda: herd.worker_pids() - {pid, 0})
        assert set(serving(waiting)) == {other}


def test_a_worker_is_given_no_more_connections_than_it_can_have_open(herd):
    """The first of several to be replaced is alone for a moment. What it has no descriptor for would wait for ever."""
    herd.configure(workers=3, rlimits={"nofile": 128})
    herd.start()
    pids = herd.worker_pids()
    with accepted(herd, 180) as waiting:
        for pid in pids:
            at_rest(herd, pid)
        for pid in pids:
            os.kill(pid, signal.SIGABRT)
        herd.wait_until(lambda: len(herd.worker_pids() - {0} - pids) == 3)
        assert not set(serving(waiting)) & pids
    herd.wait_ledger(completed=180, lost=0)


@plain_memory
def test_workers_that_crash_together_hand_over_more_than_may_be_on_its_way(herd):
    """No more files of a user than one process of it may have open, but for those with privileges."""
    if os.geteuid() == 0:
        herd.configure(user="nobody", socket={"mode": "0666"})
    herd.configure(workers=3, rlimits={"nofile": 128})
    herd.start()
    pids = herd.worker_pids()
    with accepted(herd, 96) as waiting:
        for pid in pids:
            at_rest(herd, pid)
        herd.signal(signal.SIGSTOP)
        wait_until(lambda: process_stat(herd.process.pid)[0] == "T")
        crashed = time.monotonic()
        for pid in pids:
            os.kill(pid, signal.SIGSEGV)
        wait_until(lambda: all(process_stat(pid)[0] == "Z" or is_crashing(pid) for pid in pids))
        herd.signal(signal.SIGCONT)
        wait_until(lambda: all((process_stat(pid) or "Z")[0] == "Z" for pid in pids))
        if time.monotonic() - crashed > 0.9:
            pytest.skip("this machine was too slow: a crashing worker waits for a second")
        herd.wait_until(lambda: len(herd.worker_pids() - {0} - pids) == 3)
        assert not set(serving(waiting)) & pids
    herd.wait_ledger(completed=96, lost=0)


@plain_memory
def test_connections_that_were_handed_over_are_not_taken_once_more(herd):
    """The time of a crashed worker's request is over while it stands still behind that: each has one owner after it."""
    herd.start()
    (pid,) = herd.worker_pids()
    with contextlib.ExitStack() as stack:
        waiting = stack.enter_context(accepted(herd, 4))
        at_rest(herd, pid)
        herd.signal(signal.SIGSTOP)
        wait_until(lambda: process_stat(herd.process.pid)[0] == "T")
        slow = stack.enter_context(herd.connect())
        response = slow.start(uri="/c")
        wait_until(lambda: process_title(pid).endswith("(busy)"))
        fill(pid)
        os.kill(pid, signal.SIGSEGV)
        wait_until(lambda: is_crashing(pid))
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: process_stat(pid)[0] == "T")
        herd.signal(signal.SIGCONT)
        assert slow.read_response(response).status == 500
        (other,) = herd.wait_until(lambda: herd.worker_pids() - {pid, 0})
        herd.wait_until(lambda: sum(worker["connections"] for worker in herd.workers()) == len(waiting))
        assert set(serving(waiting)) == {other}
    herd.wait_ledger(completed=4, error_answered=1, lost=0)


@plain_memory
def test_a_worker_that_crashes_while_it_crashes_hands_over_each_connection_once(herd):
    herd.start()
    (pid,) = herd.worker_pids()
    with accepted(herd, 4) as waiting:
        at_rest(herd, pid)
        herd.signal(signal.SIGSTOP)
        wait_until(lambda: process_stat(herd.process.pid)[0] == "T")
        fill(pid)
        for number in (signal.SIGSEGV, signal.SIGABRT):
            os.kill(pid, number)
            wait_until(lambda: is_crashing(pid, number))
        herd.signal(signal.SIGCONT)
        (other,) = herd.wait_until(lambda: herd.worker_pids() - {pid, 0})
        herd.wait_until(lambda: sum(worker["connections"] for worker in herd.workers()) == len(waiting))
        assert set(serving(waiting)) == {other}
    herd.wait_ledger(completed=4, lost=0)


@plain_memory
def test_a_worker_killed_while_it_crashes_loses_nothing_that_is_in_its_escrow(herd):
    """It has sent as many as the channel holds; those that came last are not among them."""
    herd.start()
    (pid,) = herd.worker_pids()
    with contextlib.ExitStack() as stack:
        os.kill(pid, signal.SIGSTOP)  # requests that are there when it accepts: no copies of these are made
        wait_until(lambda: process_stat(pid)[0] == "T")
        kept = [stack.enter_context(herd.connect()) for _ in range(320)]
        responses = [connection.start(uri="/kept", keep=True) for connection in kept]
        os.kill(pid, signal.SIGCONT)
        for connection, response in zip(kept, responses):
            assert connection.read_response(response).status == 200
        at_rest(herd, pid)
        silent = stack.enter_context(accepted(herd, 8))
        at_rest(herd, pid)
        herd.signal(signal.SIGSTOP)
        wait_until(lambda: process_stat(herd.process.pid)[0] == "T")
        os.kill(pid, signal.SIGSEGV)
        wait_until(lambda: is_crashing(pid))
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: process_stat(pid)[0] == "Z")
        herd.signal(signal.SIGCONT)
        (other,) = herd.wait_until(lambda: herd.worker_pids() - {pid, 0})
        assert set(serving(silent)) == {other}
    herd.wait_ledger(completed=328, lost=0)


def test_a_worker_crashes_without_descriptors_for_what_it_was_given(herd):
    """Those that it can't receive are had from its escrow, and the others once."""
    herd.configure(workers=2, rlimits={"nofile": 128})
    herd.pools["web"]["apps"].clear()
    herd.app(HOARDING_APP)
    herd.start()
    heir, dead = herd.worker_pids()
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(accepted_by(herd, dead)) for _ in range(8)]
        with accepted_by(herd, heir) as connection:
            assert served(connection, "/hoard") == heir
            assert connection.wait_closed() == []
        at_rest(herd, heir)
        os.kill(heir, signal.SIGSTOP)
        os.kill(dead, signal.SIGABRT)
        herd.wait_until(lambda: dead not in herd.worker_pids())  # what it held has been sent to the other one
        os.kill(heir, signal.SIGABRT)
        os.kill(heir, signal.SIGCONT)
        herd.wait_until(lambda: len(herd.worker_pids() - {0, heir, dead}) == 2)
        herd.wait_until(lambda: sum(worker["connections"] for worker in herd.workers()) == len(waiting))
        servers = set(serving(waiting))
    assert not servers & {heir, dead}
    herd.wait_ledger(completed=9, lost=0)


def test_connections_that_wait_for_a_worker_are_carried_over_an_upgrade(herd):
    """The next worker is still in its hook."""
    gate = herd.fifo()
    herd.pools["web"]["apps"][0]["hooks"] = [hook(herd, "worker_start", "File.open('%s') { |f| f.read }\n" % gate)]
    herd.start(ready=False)
    gate.release()
    herd.wait_ready()
    (pid,) = herd.worker_pids()
    with accepted_by(herd, pid) as orphan:
        os.kill(pid, signal.SIGKILL)
        with gate.wait_reader():
            result = herd.command("upgrade")
            assert result.returncode == 0, result.stderr
        assert served(orphan, "/orphan") != pid


def test_a_connection_waits_for_one_that_has_room(herd):
    """Every request that is left to the only other worker is spoken for, until those connections are closed."""
    herd.configure(recycle={"requests": 4, "jitter": 0}, workers=2)
    herd.start()
    staying, leaving = (worker["pid"] for worker in sorted(herd.workers(), key=lambda worker: worker["slot"]))
    with contextlib.ExitStack() as stack:
        full = [stack.enter_context(accepted_by(herd, staying)) for _ in range(4)]
        orphan = stack.enter_context(accepted_by(herd, leaving))
        os.kill(leaving, signal.SIGSTOP)
        wait_until(lambda: process_stat(leaving)[0] == "T")
        assert herd.command("scale", "web", 1).returncode == 0
        os.kill(leaving, signal.SIGABRT)
        os.kill(leaving, signal.SIGCONT)
        herd.wait_until(lambda: herd.worker_pids() == {staying})
        for connection in full:
            connection.close()
        assert served(orphan, "/orphan") == staying


def test_a_connection_that_waits_calls_for_a_worker(herd):
    """In a pool on demand whose last worker was to leave, although nobody else comes."""
    herd.configure(workers={"min": 0, "max": 1, "idle": "60s"})
    herd.start(ready=False)
    herd.wait_until(lambda: herd.try_status() and herd.pool()["state"] == "serving")
    with herd.connect() as orphan:
        pid = herd.wait_until(lambda: next(iter(herd.worker_pids()), None))
        herd.wait_until(lambda: herd.workers()[0]["connections"] == 1)
        at_rest(herd, pid)
        os.kill(pid, signal.SIGSTOP)
        wait_until(lambda: process_stat(pid)[0] == "T")
        assert herd.command("scale", "web", 0).returncode == 0
        assert herd.pool()["scaling"]["wanted"] == 0
        os.kill(pid, signal.SIGKILL)
        assert served(orphan, "/orphan") != pid
