"""The supervisor is killed, or stopped and continued: requests in hand end as they should, and nobody is punished."""

import os
import signal
import socket
import time

import pytest

import fastcgi
from herd import HELD, Load, free_port, process_alive, process_stat, session_processes, wait_until

HOLDING = (
    HELD
    + """
FIFO = "%s"
run ->(env) {
  File.open(FIFO) { |f| f.read } if env["QUERY_STRING"] == "held"
  case env["PATH_INFO"]
  when "/hold" then next [200, {}, Held.new(FIFO)]
  when "/loop" then loop { }
  when "/c" then 7 ** 40_000_000
  when "/retry"
    begin
      loop { }
    rescue Exception
      retry
    end
  end
  [200, {}, ["not held"]]
}
"""
)


def kill_supervisor(herd):
    herd.process.kill()
    herd.process.wait()


def left_over(process):
    return session_processes(process.pid)


def test_whoever_is_idle_leaves_and_answers_in_hand_are_whole(cowherd):
    fifo = cowherd.fifo()
    cowherd.configure(workers=3)
    cowherd.app(HOLDING % fifo)
    cowherd.start()
    busy = cowherd.connect()
    response = busy.start(uri="/hold")
    with fifo.wait_reader():
        busy.read_until(response, lambda r: r.body == b"begun,")
        with cowherd.connect() as kept:
            assert kept.request(keep=True).status == 200
            kill_supervisor(cowherd)
            assert kept.wait_closed() == [], "an idle kept connection is closed"
        killed = time.monotonic()
        wait_until(lambda: len(left_over(cowherd.process)) == 1)
        idle_left = time.monotonic() - killed
        (worker,) = left_over(cowherd.process)
        assert "worker" in left_over(cowherd.process)[worker]
    busy.read_response(response)
    assert response.body == b"begun,done"
    answered = time.monotonic()
    wait_until(lambda: not left_over(cowherd.process))
    print("idle ones left after %.3f s, the busy one %.3f s after its answer" % (idle_left, time.monotonic() - answered))
    busy.close()


def test_a_worker_with_kept_connections_finishes_what_it_has_received_half_of(cowherd):
    """It watched its listeners in another way for their sake, and can't go back to the usual one."""
    fifo = cowherd.fifo()
    cowherd.configure(workers=2)
    cowherd.app(HOLDING % fifo)
    cowherd.start()
    pid, other = cowherd.worker_pids()
    os.kill(other, signal.SIGSTOP)
    wait_until(lambda: process_stat(other)[0] == "T")
    kept, *more, half = [cowherd.connect() for _ in range(4)]
    for connection in (kept, *more):
        assert connection.request(keep=True).status == 200
    half.send(fastcgi.head(method="POST", body_length=4))
    cowherd.wait_until(lambda: [w["connections"] for w in cowherd.workers() if w["pid"] == pid] == [4])
    os.kill(other, signal.SIGCONT)
    response = kept.start(uri="/hold", keep=True)
    with fifo.wait_reader():
        kept.read_until(response, lambda r: r.body == b"begun,")
        kill_supervisor(cowherd)
        wait_until(lambda: list(left_over(cowherd.process)) == [pid])
    kept.read_response(response)
    half.send(fastcgi.stream(fastcgi.STDIN, b"body"))
    assert half.read_response(fastcgi.Response()).status == 200
    wait_until(lambda: not left_over(cowherd.process))
    for connection in (kept, *more, half):
        connection.close()


@pytest.mark.parametrize("tcp", [False, True])
def test_a_new_supervisor_starts_while_an_old_worker_finishes(cowherd, tcp):
    """Socket files, pid file and control socket are stale, and the worker lets go of what it listened on."""
    fifo = cowherd.fifo()
    if tcp:
        cowherd.configure(listen="127.0.0.1:%d" % free_port())
    cowherd.app(HOLDING % fifo)
    cowherd.start()
    first = cowherd.process
    busy = cowherd.connect()
    response = busy.start(uri="/hold")
    with fifo.wait_reader():
        busy.read_until(response, lambda r: r.body == b"begun,")
        kill_supervisor(cowherd)
        wait_until(lambda: len(left_over(first)) == 1)
        cowherd.start()
        assert len(left_over(first)) == 1, "the old worker is still at it"
        assert cowherd.request().text == "not held"
        assert int((cowherd.directory / "cowherd.pid").read_text()) == cowherd.process.pid
    busy.read_response(response)
    assert response.body == b"begun,done"
    busy.close()
    wait_until(lambda: not left_over(first))
    assert cowherd.request().text == "not held"


@pytest.mark.parametrize("tcp", [False, True])
def test_a_new_supervisor_waits_for_old_workers_to_let_go(cowherd, tcp):
    """They do that when they have a processor. The test holds the address in their place."""
    if tcp:
        cowherd.configure(listen="127.0.0.1:%d" % free_port())
    cowherd.app('run ->(env) { [200, {}, ["served"]] }')
    cowherd.start()
    first, address = cowherd.process, cowherd.address()
    kill_supervisor(cowherd)
    wait_until(lambda: not left_over(first))
    with socket.socket(socket.AF_INET if tcp else socket.AF_UNIX) as holder:
        if tcp:
            host, port = address.split(":")
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind((host, int(port)))
        else:
            address.unlink()
            holder.bind(str(address))
        holder.listen()
        cowherd.start(ready=False)
        cowherd.wait_log("%s: somebody listens there yet" % address)
    cowherd.wait_ready()
    assert cowherd.request().text == "served"


@pytest.mark.parametrize("uri", ["/loop", "/retry", "/c"])
def test_time_outs_hold_without_a_supervisor(cowherd, uri):
    cowherd.configure(timeouts={"request": "700ms", "hard": "2s"})
    fifo = cowherd.fifo()
    cowherd.app(HOLDING % fifo)
    cowherd.start()
    with cowherd.connect() as connection:
        response = connection.start(uri=uri + "?held")
        with fifo.wait_reader():
            kill_supervisor(cowherd)
        assert connection.read_response(response).status == 504
    wait_until(lambda: not left_over(cowherd.process))


def test_a_mold_that_is_loading_leaves_at_once(cowherd):
    fifo = cowherd.fifo()
    cowherd.app('File.open("%s") { |f| f.read }\nrun ->(env) { [200, {}, []] }' % fifo)
    cowherd.start(ready=False)
    with fifo.wait_reader():
        kill_supervisor(cowherd)
        wait_until(lambda: not left_over(cowherd.process))


def test_under_load_every_answer_that_began_is_whole(cowherd):
    body = "x" * 200_000
    cowherd.app('run ->(env) { [200, {}, ["x" * 200_000]] }')
    cowherd.start()
    whole = lambda response: response.status == 200 and response.body == body.encode()
    with Load(cowherd, threads=4, check=whole) as load:
        load.wait_answers(30)
        kill_supervisor(cowherd)
        wait_until(lambda: not left_over(cowherd.process))
    assert load.failures == [], "nobody saw half an answer"


# -- stopped and continued


def stop_supervisor(herd):
    herd.signal(signal.SIGSTOP)
    wait_until(lambda: process_stat(herd.process.pid)[0] == "T")


def test_workers_serve_while_the_supervisor_is_stopped(cowherd):
    cowherd.configure(timeouts={"request": "1s", "hard": "1s", "idle": "10s"})
    cowherd.app(HOLDING % cowherd.fifo())
    cowherd.start()
    pids = cowherd.worker_pids()
    with Load(cowherd, threads=3) as load:
        stop_supervisor(cowherd)
        until = time.monotonic() + 2
        while time.monotonic() < until:
            load.wait_answers(20)
        cowherd.signal(signal.SIGCONT)
        load.wait_answers(50)
    assert load.failures == [] and load.refused == []
    assert cowherd.worker_pids() == pids, "nobody was killed"
    ledger = cowherd.ledger()
    assert ledger["error_answered"] == ledger["lost"] == 0


def test_a_mold_that_reported_in_time_is_not_failed_by_a_stopped_supervisor(cowherd):
    fifo = cowherd.fifo()
    cowherd.app('run ->(env) { [200, {}, ["old"]] }')
    cowherd.configure(restart={"ready_timeout": "2500ms"})
    cowherd.start()
    app = cowherd.directory / "apps/web0/config.ru"
    app.write_text('File.open("%s") { |f| f.read }\nrun ->(env) { [200, {}, ["new"]] }' % fifo)
    cowherd.signal(signal.SIGHUP)
    with fifo.wait_reader():
        stop_supervisor(cowherd)
    (mold,) = [pid for pid, title in left_over(cowherd.process).items() if "gen 2 mold" in title]
    # It has loaded, says so and waits for orders, for longer than it may take.
    wait_until(lambda: process_stat(mold)[0] == "S")
    until = time.monotonic() + 3.5
    wait_until(lambda: time.monotonic() > until)
    assert cowherd.request().text == "old"
    cowherd.signal(signal.SIGCONT)
    cowherd.wait_generation(2)
    assert cowherd.request().text == "new"
    assert not cowherd.log_lines("generation 2 failed")


def test_a_drain_is_not_cut_short_by_a_stopped_supervisor(cowherd):
    """The drain's deadline is the worker's, who was not stopped; the supervisor's kill comes no sooner than that."""
    fifo = cowherd.fifo()
    cowherd.configure(restart={"drain_timeout": "4s"}, timeouts={"request": "3s", "hard": "4s"})
    cowherd.app(HOLDING % fifo)
    cowherd.start()
    with cowherd.connect() as connection:
        response = connection.start(uri="/hold")
        with fifo.wait_reader():
            connection.read_until(response, lambda r: r.body == b"begun,")
            (busy,) = [w["pid"] for w in cowherd.workers() if w["state"] == "busy"]
            assert cowherd.reload().returncode == 0
            stop_supervisor(cowherd)
            os.kill(busy, signal.SIGSTOP)
            until = time.monotonic() + 5.5
            wait_until(lambda: time.monotonic() > until)
            os.kill(busy, signal.SIGCONT)
            cowherd.signal(signal.SIGCONT)
            assert cowherd.status(), "it has had turns"
        connection.read_response(response)
    assert response.body == b"begun,done"
    wait_until(lambda: not process_alive(busy))
    assert not cowherd.log_lines("is killed")
