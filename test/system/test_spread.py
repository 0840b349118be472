"""Connections of a worker that is in a slow request: whoever is free answers what comes on them."""

import contextlib
import os
import signal
import time

import pytest

import fastcgi
from herd import free_port, process_alive, process_stat, wait_until
from test_rescue import at_rest

SLOW = 0.05  # s; more than what makes a request a slow one (worker/lookout.c)

APP = """
run ->(env) do
  20.times { IO.popen("true") { |program| program.read } } if env["PATH_INFO"] == "/fork-and-hold"
  File.open("%s") { |f| f.read } if env["PATH_INFO"].end_with?("hold")
  File.open("%s") { |f| f.read } if env["PATH_INFO"] == "/hold-too"
  [200, {}, [File.open("/proc/self/stat") { |f| f.gets.to_i.to_s }, ":", env["rack.input"].read]]
end
"""


def start(cowherd, **settings):
    cowherd.gate, cowherd.second_gate = cowherd.fifo(), cowherd.fifo()
    cowherd.configure(timeouts={"header": "60s", "body": "60s", "idle": "60s"}, **settings)
    cowherd.app(APP % (cowherd.gate, cowherd.second_gate))
    cowherd.start()
    return cowherd


@pytest.fixture(params=["unix", "tcp"])
def herd(cowherd, request):
    if request.param == "tcp":
        cowherd.configure(listen="127.0.0.1:%d" % free_port())
    return start(cowherd, workers=2)


def stop(herd, pid):
    at_rest(herd, pid)
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: process_stat(pid)[0] == "T")


@contextlib.contextmanager
def stopped(herd, pid):
    """What comes meanwhile, its worker is told of at once, and not in the end of the request before."""
    stop(herd, pid)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def open_files(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def pid_of(response, body=""):
    pid, _, text = response.text.partition(":")
    assert response.status == 200 and text == body
    return int(pid)


def ask(connection):
    return pid_of(connection.request(uri="/", keep=True))


def kept_by_one(herd, stack, count):
    """So many kept connections of one worker, found among more. All workers are at rest: what came now to one that is
    not through with its last request could be another's to answer."""
    while True:
        by_pid = {}
        for _ in range(2 * count):
            connection = stack.enter_context(herd.connect())
            by_pid.setdefault(ask(connection), []).append(connection)
        for pid in by_pid:
            at_rest(herd, pid)
        for connections in by_pid.values():
            if len(connections) >= count:
                return connections[:count]


def the_only_busy(herd):
    busy = [worker["pid"] for worker in herd.workers() if worker["state"] == "busy"]
    return busy[0] if len(busy) == 1 else None


@contextlib.contextmanager
def held(herd, connection, uri="/hold"):
    """A worker, whose pid it is, is in a request of this connection for as long as the block runs."""
    response = connection.start(uri=uri, keep=True)
    with herd.gate.wait_reader():
        pid = herd.wait_until(lambda: the_only_busy(herd))
        yield pid
    if herd.deaths_expected:
        assert connection.wait_closed() == []
    else:
        assert pid_of(connection.read_response(response)) == pid


def nothing_lost(herd):
    herd.wait_ledger(error_answered=0, client_gone=0, lost=0)


@pytest.mark.parametrize("uri", ["/hold", "/fork-and-hold"])
def test_kept_connections_are_answered_by_who_is_free(herd, uri):
    with contextlib.ExitStack() as stack:
        slow, *others = kept_by_one(herd, stack, 4)
        with held(herd, slow, uri) as pid:
            assert pid not in {ask(connection) for _ in range(3) for connection in others}
        for connection in (slow, *others):
            ask(connection)
    nothing_lost(herd)


def test_what_has_been_received_goes_with_a_connection(herd):
    head = fastcgi.head(uri="/") + fastcgi.stream(fastcgi.STDIN, b"")
    post = fastcgi.head(method="POST", uri="/", body_length=13) + fastcgi.stream(fastcgi.STDIN, b"half and half")
    with contextlib.ExitStack() as stack:
        slow, later, in_head, in_body = kept_by_one(herd, stack, 4)
        in_head.send(head[:100])
        in_body.send(post[:-20])
        ask(later)  # with that, its worker has come to what was before
        with held(herd, slow) as pid:
            for connection, rest, body in ((in_head, head[100:], ""), (in_body, post[-20:], "half and half")):
                connection.send(rest)
                assert pid_of(connection.read_response(fastcgi.Response()), body) != pid
    nothing_lost(herd)


def test_new_connections_whose_worker_is_killed_after_it_has_given_them(herd):
    """Copies of them lay in its escrow."""
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(herd.connect()) for _ in range(8)]
        slow, *_ = kept_by_one(herd, stack, 2)
        herd.deaths_expected = True
        with held(herd, slow) as pid:
            assert pid not in {ask(connection) for connection in silent}
            os.kill(pid, signal.SIGKILL)
            herd.wait_until(lambda: len(herd.worker_pids() - {0, pid}) == 2)
            for _ in range(2):
                for connection in silent:
                    ask(connection)
    herd.wait_ledger(error_answered=0, client_gone=0, lost=1)


@contextlib.contextmanager
def given(pid, count=1):
    """In the block a worker that is in a request gets what it gives to others."""
    before = open_files(pid)
    yield
    wait_until(lambda: open_files(pid) == before - count)


def test_new_connections_do_not_wait_behind_kept_ones(cowherd):
    """Where requests have been slow lately: who has been woken for one has woken no other."""
    start(cowherd, workers=1)
    with contextlib.ExitStack() as stack:
        kept = stack.enter_context(cowherd.connect())
        with held(cowherd, kept) as pid:
            began = time.monotonic()
            wait_until(lambda: time.monotonic() > began + SLOW)
        with stopped(cowherd, pid):
            new = stack.enter_context(cowherd.connect())
            fast = new.start(uri="/")
            slow = kept.start(uri="/hold", keep=True)
        assert pid_of(new.read_response(fast)) == pid
        cowherd.gate.release()
        assert pid_of(kept.read_response(slow)) == pid
    nothing_lost(cowherd)


def test_given_connections_do_not_wait_behind_kept_ones(cowherd):
    """(Over a unix socket what is sent is there, all of it, when the worker goes on.)"""
    herd = start(cowherd, workers=2)
    with contextlib.ExitStack() as stack:
        slow, other = kept_by_one(herd, stack, 2)
        with held(herd, slow) as pid:
            own = stack.enter_context(herd.connect())
            free = ask(own)
            with stopped(herd, free):
                with given(pid):
                    fast = other.start(uri="/", keep=True)
                second = own.start(uri="/hold-too", keep=True)
            assert pid_of(other.read_response(fast)) == free
            herd.second_gate.release()
            assert pid_of(own.read_response(second)) == free
    nothing_lost(herd)


def test_a_leaving_worker_gives_to_the_next_generation(cowherd):
    start(cowherd, workers=1)
    with contextlib.ExitStack() as stack:
        slow, *others = kept_by_one(cowherd, stack, 3)
        with held(cowherd, slow) as pid:
            assert cowherd.reload().returncode == 0
            assert pid not in {ask(connection) for _ in range(2) for connection in others}
    nothing_lost(cowherd)


def test_a_leaving_worker_takes_nothing_from_the_next_generation(cowherd):
    """After a reload old code answers what it has, and nothing else."""
    start(cowherd, workers=2)
    with contextlib.ExitStack() as stack:
        old = stack.enter_context(cowherd.connect())
        leaving = ask(old)
        last = old.start(uri="/hold-too", keep=True)
        old_gate = stack.enter_context(contextlib.ExitStack())
        old_gate.enter_context(cowherd.second_gate.wait_reader())
        assert cowherd.reload().returncode == 0
        slow, other = kept_by_one(cowherd, stack, 2)
        pid = ask(slow)
        first = slow.start(uri="/hold", keep=True)
        with cowherd.gate.wait_reader():
            wait_until(lambda: len(cowherd.worker_pids() - {pid, leaving}) == 1)
            (free,) = cowherd.worker_pids() - {pid, leaving}
            with stopped(cowherd, free):
                with given(pid):
                    fast = other.start(uri="/", keep=True)
                old_gate.close()
                assert pid_of(old.read_response(last)) == leaving
                wait_until(lambda: not process_alive(leaving))
            assert pid_of(other.read_response(fast)) == free
        assert pid_of(slow.read_response(first)) == pid
    nothing_lost(cowherd)


LOADS_ONCE = """
if File.exist?("%(first)s")
  File.open("%(fifo)s") { |f| f.read }
else
  File.open("%(first)s", "w") { |f| f.write "x" }
end
run ->(env) { [200, {}, []] }
"""


def test_what_was_given_is_refused_where_no_worker_can_be_had(cowherd):
    """As new connections are; so is what waits for a worker in the place of one that was killed."""
    loading = cowherd.fifo()
    cowherd.app(LOADS_ONCE % {"first": cowherd.directory / "first", "fifo": loading}, host="slow.test")
    herd = start(cowherd, workers=2)
    with contextlib.ExitStack() as stack:
        slow, *others = kept_by_one(herd, stack, 3)
        with held(herd, slow) as pid:
            (free,) = herd.worker_pids() - {pid}
            before = open_files(free)
            new, silent = (stack.enter_context(herd.connect()) for _ in range(2))
            wait_until(lambda: open_files(free) == before + 2)
            herd.deaths_expected = True
            stop(herd, free)
            with given(pid, len(others)):
                responses = [connection.start(uri="/", keep=True) for connection in others]
            responses.append(new.start(uri="/", keep=True))
            for each in (herd.pool()["mold"]["pid"], pid, free):
                os.kill(each, signal.SIGKILL)
            with loading.wait_reader():
                for connection, response in zip([*others, new], responses):
                    assert connection.read_response(response).status == 503
                    assert connection.wait_closed() == []
                assert herd.request().status == 503
                assert silent.is_open()
        assert ask(silent) not in (pid, free)
    herd.wait_ledger(error_answered=4, client_gone=0, lost=1)


@pytest.mark.parametrize("before", ["nothing", "reload", "upgrade"])
def test_what_was_given_outlives_its_generation(herd, before):
    """Whoever has it is killed: the mold and all workers, or the last ones of a generation that leaves."""
    with contextlib.ExitStack() as stack:
        slow, *others = kept_by_one(herd, stack, 3)
        herd.deaths_expected = True
        with held(herd, slow) as pid:
            workers = herd.worker_pids()
            mold = herd.pool()["mold"]["pid"]
            (free,) = workers - {pid}
            os.kill(free, signal.SIGSTOP)
            with given(pid, len(others)):
                responses = [connection.start(uri="/", keep=True) for connection in others]
            if before != "nothing":
                assert herd.command(before).returncode == 0
            if before != "reload":
                os.kill(mold, signal.SIGKILL)
            for each in workers:
                os.kill(each, signal.SIGKILL)
            for connection, response in zip(others, responses):
                assert pid_of(connection.read_response(response)) not in workers
    herd.wait_ledger(error_answered=0, client_gone=0, lost=1)
