"""What cowherd tells its service manager (sd_notify), seen by a socket in the manager's place."""

import os
import re
import signal
import socket
import threading
import time

import pytest

import herd
from herd import PATIENCE, wait_until

X = 'run ->(env) { [200, {}, ["x"]] }'


class Manager:
    """Receives datagrams, each as a dict of its assignments."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.settimeout(0.2)
        self.messages = []
        self.times = []
        self._end = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._end:
            try:
                text = self.socket.recv(4096).decode()
            except TimeoutError:
                continue
            self.times.append(time.monotonic())
            self.messages.append(dict(line.split("=", 1) for line in text.split("\n")))

    def close(self):
        self._end = True
        self._thread.join()
        self.socket.close()

    def wait_read(self):
        """All that was sent before has been read."""
        marks = len(self.values("MARK"))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as own:
            own.sendto(b"MARK=1", self.socket.getsockname())
        wait_until(lambda: len(self.values("MARK")) > marks)

    def values(self, key):
        return [message[key] for message in list(self.messages) if key in message]

    def states(self):
        """What was said of READY, RELOADING and STOPPING, in order."""
        wanted = ("READY", "RELOADING", "STOPPING")
        return [key for message in list(self.messages) for key in message if key in wanted]

    def wait_states(self, *states):
        wait_until(lambda: self.states() == list(states), PATIENCE, lambda: "%s: %s" % (states, self.messages))


@pytest.fixture
def manager(cowherd, monkeypatch):
    made = []

    def make(abstract=False, **environment):
        path = "\0cowherd-test-%d" % os.getpid() if abstract else str(cowherd.directory / "notify")
        made.append(Manager(path))
        variables = {"NOTIFY_SOCKET": path.replace("\0", "@"), **environment}
        monkeypatch.setattr(herd, "ENVIRONMENT", {**herd.ENVIRONMENT, **variables})
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("abstract", [False, True], ids=["path", "abstract"])
def test_ready_comes_when_all_pools_serve_and_stopping_at_the_end(cowherd, manager, abstract):
    told = manager(abstract)
    gate = cowherd.fifo()
    cowherd.app(X)
    cowherd.app('File.open("%s") { |f| f.read }\n%s' % (gate, X), pool="slow")
    cowherd.start(ready=False)
    with gate.wait_reader():
        cowherd.wait_until(lambda: cowherd.pool("web")["state"] == "serving")
        assert told.states() == []
        wait_until(lambda: "2 pools, 2 workers; slow: starting" in told.values("STATUS"), what=lambda: told.messages)
    told.wait_states("READY")
    cowherd.wait_ready()
    wait_until(lambda: told.values("STATUS")[-1] == "2 pools, 4 workers", what=lambda: told.messages)
    assert cowherd.stop() == 0
    told.wait_states("READY", "STOPPING")


def test_a_start_that_fails_is_never_ready(cowherd, manager):
    told = manager()
    cowherd.app("this is ( no Ruby")
    status, _ = cowherd.run_failing()
    assert status == 1
    assert "READY" not in told.states()


@pytest.mark.parametrize("how", ["command", "signal"])
def test_a_reload_is_told_with_its_time(cowherd, manager, how):
    told = manager()
    app = cowherd.app(X)
    cowherd.start()
    told.wait_states("READY")
    gate = cowherd.fifo()
    app.write_text('File.open("%s") { |f| f.read }\n%s' % (gate, X))
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    thread = threading.Thread(target=cowherd.reload)
    if how == "command":
        thread.start()
    else:
        cowherd.signal(signal.SIGHUP)
    with gate.wait_reader():
        told.wait_states("READY", "RELOADING")
        wait_until(lambda: "web: reloading" in told.values("STATUS")[-1], what=lambda: told.messages)
    told.wait_states("READY", "RELOADING", "READY")
    if how == "command":
        thread.join()
    after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    assert before <= int(told.values("MONOTONIC_USEC")[0]) <= after
    assert all("MONOTONIC_USEC" in message for message in told.messages if "RELOADING" in message)


def test_a_reload_is_over_when_nobody_reaches_the_old_code(cowherd, manager):
    """An idle worker may have a connection at hand when it is told to leave; one that is stopped is waited for, a little."""
    told = manager()
    cowherd.app(X)
    cowherd.start()
    wait_until(lambda: told.values("STATUS")[-1:] == ["1 pool, 2 workers"], what=lambda: told.messages)
    worker = cowherd.pool("web")["workers"][0]["pid"]
    os.kill(worker, signal.SIGSTOP)
    try:
        cowherd.signal(signal.SIGHUP)
        told.wait_states("READY", "RELOADING", "READY")
    finally:
        os.kill(worker, signal.SIGCONT)
    at = [index for index, message in enumerate(told.messages) if "READY" in message or "RELOADING" in message]
    between = [message["STATUS"] for message in told.messages[at[1] + 1 : at[2]] if "STATUS" in message]
    assert "reloading" not in between[-1], told.messages


def test_a_reload_that_changes_nothing_is_over_too(cowherd, manager):
    """The manager waits for READY after each RELOADING, whatever has become of it."""
    told = manager()
    app = cowherd.app(X)
    cowherd.start()
    told.wait_states("READY")
    app.write_text("this is ( no Ruby")
    assert cowherd.reload().returncode == 1
    told.wait_states(*["READY", "RELOADING"], "READY")
    failed = "1 pool, 2 workers; web: generation 2 failed: .*config.ru:1:"
    wait_until(lambda: re.match(failed, told.values("STATUS")[-1]), what=lambda: told.messages)
    good = cowherd.file.read_text()
    cowherd.file.write_text("nonsense: 1\n")
    assert cowherd.command("reload", "-s", cowherd.settings["control"], file=False).returncode == 1
    told.wait_states(*["READY", "RELOADING"] * 2, "READY")
    refused = "; the configuration can't be used: .*cowherd.yml:1:"
    wait_until(lambda: re.search(refused, told.values("STATUS")[-1]), what=lambda: told.messages)
    cowherd.file.write_text(good)
    app.write_text(X)
    assert cowherd.reload("web").returncode == 0
    told.wait_states(*["READY", "RELOADING"] * 3, "READY")
    wait_until(lambda: told.values("STATUS")[-1] == "1 pool, 2 workers", what=lambda: told.messages)
    assert cowherd.request().text == "x"


def test_the_status_says_who_has_died(cowherd, manager):
    """And says nothing while nothing changes."""
    told = manager()
    cowherd.deaths_expected = True
    cowherd.app(X)
    cowherd.start()
    wait_until(lambda: told.values("STATUS")[-1:] == ["1 pool, 2 workers"], what=lambda: told.messages)
    for _ in range(20):
        cowherd.request()
    assert len([text for text in told.values("STATUS") if text == "1 pool, 2 workers"]) == 1
    assert all(re.fullmatch(r"\d+ pools?, \d+ workers?(; \S+: \w+)*", text) for text in told.values("STATUS"))


def test_the_watchdog_is_fed_by_the_loop_alone(cowherd, manager):
    told = manager(WATCHDOG_USEC="200000")
    cowherd.app(X)
    cowherd.start()
    count = len(told.values("WATCHDOG"))
    wait_until(lambda: len(told.values("WATCHDOG")) > count + 3, what=lambda: told.messages)
    # A supervisor that is stuck is not alive.
    cowherd.signal(signal.SIGSTOP)
    try:
        wait_until(lambda: herd.process_stat(cowherd.process.pid)[0] == "T")
        told.wait_read()
        count = len(told.values("WATCHDOG"))
        time.sleep(0.5)  # for more than two of them
        told.wait_read()
        assert len(told.values("WATCHDOG")) == count
    finally:
        cowherd.signal(signal.SIGCONT)
    wait_until(lambda: len(told.values("WATCHDOG")) > count, what=lambda: told.messages)
    assert cowherd.request().text == "x"


def test_another_process_s_watchdog_is_left_alone(cowherd, manager):
    told = manager(WATCHDOG_USEC="2000", WATCHDOG_PID="1")
    cowherd.app(X)
    cowherd.start()
    told.wait_states("READY")
    assert told.values("WATCHDOG") == []


def test_a_manager_that_does_not_read_holds_nobody_up(cowherd, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as deaf:
        deaf.bind(str(cowherd.directory / "deaf"))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as filler:
            filler.setblocking(False)
            with pytest.raises(BlockingIOError):
                while True:
                    filler.sendto(b"x", str(cowherd.directory / "deaf"))
        variables = {"NOTIFY_SOCKET": str(cowherd.directory / "deaf"), "WATCHDOG_USEC": "2000"}
        monkeypatch.setattr(herd, "ENVIRONMENT", {**herd.ENVIRONMENT, **variables})
        cowherd.app(X)
        cowherd.start()
        assert cowherd.request().text == "x"
        assert cowherd.reload().returncode == 0
        assert cowherd.stop() == 0
