"""Workers that die again and again: pauses between them, 503 meanwhile, recovery by itself, requests that kill."""

import contextlib
import os
import signal
import threading
from pathlib import Path

import pytest

import fastcgi
from herd import PATIENCE, Load, free_port, process_alive, wait_until

# exit! is the quickest death that an app can choose.
APP = """
run ->(env) {
  exit! 7 if env["PATH_INFO"] == "/poison"
  [200, {}, ["fine"]]
}
"""


@pytest.fixture
def herd(cowherd):
    cowherd.configure(workers=1)
    cowherd.app(APP)
    cowherd.deaths_expected = True
    return cowherd


class Killer:
    """Kills each worker of the pool as soon as it is seen, until the end of the context."""

    def __init__(self, herd):
        self.herd, self.killed = herd, set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *unused):
        self._stop.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def _run(self):
        while not self._stop.is_set():
            status = self.herd.try_status()
            for worker in status["pools"][0]["workers"] if status else []:
                if worker["pid"] and worker["pid"] not in self.killed:
                    self.killed.add(worker["pid"])
                    with contextlib.suppress(ProcessLookupError):  # it has left since
                        os.kill(worker["pid"], signal.SIGKILL)
            self._stop.wait(0.01)


def wait_state(herd, state):
    herd.wait_until(lambda: herd.pool()["state"] == state, what=lambda: "%s: %s" % (state, herd.pool()))


def fallback_pid(herd):
    return herd.pool()["fallback"]["pid"]


def ask(herd, **about):
    """As a front end does: an answer that broke off before its first byte is asked for again."""
    for _ in range(20):
        try:
            return herd.request(**about)
        except fastcgi.ConnectionClosed as error:
            if error.response is not None and error.response.started:
                raise
    raise AssertionError("asked 20 times")


def test_the_fallback_answers_503_until_a_worker_lives(herd):
    herd.start()
    mold = herd.pool()["mold"]["pid"]
    with Killer(herd) as killer:
        wait_state(herd, "fallback")
        refused = []

        def refused_often():
            """(Workers come in between, and go.)"""
            answer = ask(herd, uri="/")
            assert answer.status in (200, 503)
            refused.extend([answer] * (answer.status == 503))
            return len(refused) >= 20

        wait_until(refused_often, interval=0)
        assert all(1 <= int(answer.header("retry-after")) <= 10 for answer in refused)
        assert refused[0].text == "503 Service Unavailable\n"
        herd.wait_until(lambda: herd.pool()["crashes"]["young"] >= 3)
        # It is told how long the pauses have become.
        herd.wait_until(lambda: int(ask(herd, uri="/").header("retry-after") or 0) >= 2)
    assert len(killer.killed) >= 3
    herd.wait_log("workers die young: the next is forked in")
    herd.wait_until(lambda: fallback_pid(herd) == 0)
    assert herd.request("/").status == 200
    wait_until(lambda: herd.pool()["state"] in ("serving", "failing"))
    assert herd.pool()["mold"]["pid"] == mold
    herd.wait_ledger()
    assert herd.ledger()["error_answered"] >= len(refused)
    # All of them have lived long enough: the next death is the first again.
    wait_until(lambda: herd.pool()["crashes"]["young"] == 0)
    assert herd.pool()["state"] == "serving"


def test_no_request_hangs_or_breaks_while_the_fallback_comes_and_goes(herd):
    herd.start()
    with Load(herd, threads=3, check=lambda r: r.status in (200, 503), uri="/") as load:
        with Killer(herd):
            herd.wait_until(lambda: herd.pool()["fallback"]["started"] > 0)
            load.refused.clear()
            wait_state(herd, "fallback")
        answered = len(load.answers)
        herd.wait_until(lambda: fallback_pid(herd) == 0)
        wait_until(lambda: len(load.answers) > answered)
    assert not load.failures


@pytest.mark.parametrize("body", [None, b"x" * 300_000])
def test_what_the_fallback_is_sent(herd, body):
    herd.start()
    with Killer(herd):
        wait_state(herd, "fallback")
        pid = fallback_pid(herd)
        assert ask(herd, uri="/", method="POST", body=body).status in (200, 503)
        with herd.connect() as connection:
            connection.try_send(b"GET / HTTP/1.1\r\n\r\n")
            connection.wait_closed()
        with herd.connect() as slow:
            slow.try_send(fastcgi.begin())
            slow.wait_closed()
        assert ask(herd, uri="/").status in (200, 503)
        # It is not held up by connections that say nothing.
        silent = [herd.connect() for _ in range(150)]
        assert ask(herd, uri="/").status in (200, 503)
        for connection in silent:
            connection.close()
    herd.wait_until(lambda: not process_alive(pid) and fallback_pid(herd) == 0)
    herd.wait_ledger()


def test_the_fallback_keeps_to_the_list_of_allowed_addresses(herd):
    address = "127.0.0.1:%d" % free_port()
    herd.configure(listen=[herd.address(), address], socket={"allow": ["10.0.0.0/8"]})
    herd.start()
    with Killer(herd):
        wait_state(herd, "fallback")
        for _ in range(5):
            with fastcgi.Connection(address, PATIENCE) as connection:
                connection.try_send(fastcgi.head(uri="/"))
                assert connection.wait_closed() == []
        assert ask(herd, uri="/").status in (200, 503)


def test_the_fallback_comes_back_when_it_is_killed(herd):
    herd.start()
    with Killer(herd):
        killed = set()

        def another_comes():
            """(It leaves by itself for each worker that comes: one that was there a moment ago may not have been hit.)"""
            pid = fallback_pid(herd)
            if any(herd.log_lines("the fallback (pid %d) ended: signal 9" % hit) for hit in killed):
                return pid not in (0, *killed)
            if pid:
                killed.add(pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return False

        herd.wait_until(another_comes)
    herd.wait_until(lambda: fallback_pid(herd) == 0)
    assert herd.request("/").status == 200


@pytest.mark.skipif(os.geteuid() != 0, reason="changing the user needs root")
def test_the_fallback_runs_as_the_user_of_the_pool(herd):
    herd.configure(user="nobody", group="nogroup")
    herd.start()
    with Killer(herd):
        wait_state(herd, "fallback")
        text = herd.wait_until(lambda: _status_of(fallback_pid(herd)))
        assert "Uid:\t65534\t65534\t65534\t65534" in text and "Gid:\t65534\t65534\t65534\t65534" in text
        assert "NoNewPrivs:\t1" in text


def _status_of(pid):
    """Once it has changed its user, or None."""
    try:
        text = Path("/proc/%d/status" % pid).read_text()
    except OSError:
        return None
    return text if "Uid:\t65534" in text else None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_takes_the_fallback_along(herd, number):
    herd.start()
    with Killer(herd):
        wait_state(herd, "fallback")
        pid = fallback_pid(herd)
        herd.signal(number)
        assert herd.process.wait(PATIENCE) == 0
    assert not process_alive(pid)


def test_the_fallback_leaves_when_the_supervisor_is_gone(herd):
    herd.start()
    with Killer(herd):
        wait_state(herd, "fallback")
        pid = fallback_pid(herd)
        herd.process.kill()
        herd.process.wait()
        wait_until(lambda: not process_alive(pid))


def test_a_pool_without_mold_and_workers_has_the_fallback_until_it_loads_again(herd):
    fifo = herd.fifo()
    first = herd.directory / "first"
    herd.app(
        'File.exist?("%s") ? File.open("%s") { |f| f.read } : File.open("%s", "w") { |f| f.write "x" }\n%s'
        % (first, fifo, first, APP),
        host="slow.test",
    )
    herd.start()
    pool = herd.pool()
    for pid in [pool["mold"]["pid"], *herd.worker_pids()]:
        os.kill(pid, signal.SIGKILL)
    with fifo.wait_reader():
        herd.wait_until(lambda: fallback_pid(herd))
        answer = herd.request("/")
        assert (answer.status, answer.header("retry-after")) == (503, "1")
    herd.wait_until(lambda: fallback_pid(herd) == 0)
    herd.wait_until(lambda: herd.request("/").status == 200)
    herd.wait_ledger()


def wait_refused(herd, **about):
    """Those that it has ended have answered 500; they are buried."""
    ended = []

    def refused():
        status = ask(herd, uri="/poison", **about).status
        assert status in (500, 503)
        ended.extend([status] * (status == 500))
        return status == 503

    herd.wait_until(refused)
    herd.wait_until(lambda: len(herd.log_lines("worker ", " ended: exit status 7")) >= len(ended), what=herd.log)


def test_a_request_that_kills_is_refused_after_the_second_time(herd):
    herd.configure(workers=2)
    herd.start()
    with Load(herd, threads=2, uri="/") as load:
        load.wait_answers(20)
        wait_refused(herd, params={"REMOTE_PORT": "1"})
        pids = herd.wait_until(lambda: len(herd.worker_pids()) == 2 and herd.worker_pids())
        # Another port, and it is still the same; another cookie, and it is another one.
        for port in range(2, 12):
            assert herd.request(uri="/poison", params={"REMOTE_PORT": port}).status == 503
        assert herd.worker_pids() == pids
        load.wait_answers(20)
    assert not load.failures
    assert herd.log_lines("GET localhost/poison has ended 2 workers: it is answered 503")
    assert herd.pool()["crashes"]["refused_requests"] == 1
    assert herd.request(uri="/poison", headers={"Cookie": "another"}).status == 500
    assert ask(herd, uri="/").status == 200
    herd.wait_ledger(lost=0)


def test_new_code_is_given_a_chance(herd):
    herd.configure(workers=2)
    herd.start()
    wait_refused(herd)
    herd.write("apps/web0/config.ru", 'run ->(env) { [200, {}, ["mended"]] }\n')
    herd.wait_ready()
    assert herd.reload().returncode == 0
    assert herd.request("/poison").text == "mended"
    assert herd.pool()["crashes"]["refused_requests"] == 0


def test_who_is_killed_from_outside_leaves_no_suspect(herd):
    herd.app("run ->(env) { sleep 3600 }\n", host="sleeper.test")
    herd.start()
    for _ in range(3):
        with herd.connect() as connection:
            response = connection.start(host="sleeper.test")
            pid = herd.wait_until(lambda: [w["pid"] for w in herd.workers() if w["state"] == "busy"])[0]
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(fastcgi.ConnectionClosed):
                connection.read_response(response)
            herd.wait_until(lambda: pid not in herd.worker_pids())
    assert herd.pool()["crashes"]["refused_requests"] == 0
    assert herd.pool()["crashes"]["killed_for_memory"] == 0
