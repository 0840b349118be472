"""Under start_server (libserver-starter-perl): it holds the sockets, and starts the next cowherd beside the one before."""

import os
import shutil
import signal
import socket
import subprocess

import pytest

import fastcgi
from herd import ENVIRONMENT, Load, free_port, process_alive, process_stat, wait_until

START_SERVER = shutil.which("start_server")

pytestmark = pytest.mark.skipif(not START_SERVER, reason="start_server is not installed (libserver-starter-perl)")

VERSION = 'run ->(env) { [200, {}, ["%s"]] }'


class Started:
    """A Herd under start_server; its process is start_server's."""

    def __init__(self, herd):
        self.herd = herd
        self.port = free_port()
        self.tcp = "127.0.0.1:%d" % self.port
        self.path = herd.directory / "starter.sock"
        herd.address = lambda pool="web": self.path

    def start(self, ready=True):
        self.herd.write_configuration()
        program = self.herd.program
        arguments = ["--port", self.tcp, "--path", self.path, "--interval", "1"]
        try:
            self.herd.program = START_SERVER
            self.herd.process = self.herd.spawn(*arguments, "--", program, "run", "-c", self.herd.file)
        finally:
            self.herd.program = program
        if ready:
            self.herd.wait_ready()
        return self

    def supervisor(self):
        status = self.herd.try_status()
        return status["supervisor"]["pid"] if status else None

    def supervisors(self):
        """The children of start_server."""
        found = []
        for entry in os.listdir("/proc"):
            stat = process_stat(int(entry)) if entry.isdigit() else None
            if stat and stat[1] == self.herd.process.pid and stat[0] != "Z":
                found.append(int(entry))
        return found

    def pid_file(self):
        try:
            return int((self.herd.directory / "cowherd.pid").read_text())
        except (OSError, ValueError):
            return None

    def restart(self):
        """HUP; waits for the new cowherd alone. (The old one's pid, the new one's.)"""
        old = self.supervisor()
        self.herd.signal(signal.SIGHUP)

        def succeeded():
            now = self.supervisor()
            return now and now != old and self.supervisors() == [now] and now

        new = self.herd.wait_until(succeeded, what=lambda: "%s: %s" % (old, self.herd.log()[-2000:]))
        assert not process_alive(old)
        return old, new


@pytest.fixture
def started(cowherd):
    """Listens on both sockets that it is given."""
    started = Started(cowherd)
    cowherd.configure(listen=["starter:%d" % started.port, "starter:%s" % started.path])
    return started


def test_both_kinds_of_sockets_are_served(cowherd, started):
    cowherd.app(VERSION % "x")
    started.start()
    assert fastcgi.request(started.tcp).text == "x"
    assert fastcgi.request(started.path).text == "x"
    listen = cowherd.pool()["listen"]
    assert [item["bound"] for item in listen] == [started.tcp, str(started.path)]
    assert process_stat(started.supervisor())[1] == cowherd.process.pid
    # cowherd leaves, start_server starts another one: the socket's file was never touched.
    inode = os.stat(started.path).st_ino
    first = started.supervisor()
    os.kill(first, signal.SIGTERM)
    cowherd.wait_until(lambda: started.supervisor() not in (None, first))
    assert fastcgi.request(started.path).text == "x"
    assert os.stat(started.path).st_ino == inode


def test_its_own_reload_works_there_too(cowherd, started):
    app = cowherd.app(VERSION % "1")
    started.start()
    supervisor = started.supervisor()
    app.write_text(VERSION % "2")
    assert cowherd.reload().returncode == 0
    assert fastcgi.request(started.tcp).text == "2"
    assert started.supervisor() == supervisor


def test_hup_brings_a_new_cowherd_and_no_request_fails(cowherd, started):
    app = cowherd.app(VERSION % "1")
    started.start()
    with Load(cowherd, threads=2) as over_unix:
        other = type(cowherd).__new__(type(cowherd))
        other.connect = lambda pool, timeout=20: fastcgi.Connection(started.tcp, timeout)
        other.client = lambda pool: fastcgi.Client(started.tcp)
        with Load(other, threads=2) as over_tcp:
            for number in range(2, 5):
                for load in (over_unix, over_tcp):
                    load.wait_answers(20)
                app.write_text(VERSION % number)
                _, new = started.restart()
                cowherd.wait_until(lambda: started.pid_file() == new)  # it is taken after the control socket
                assert fastcgi.request(started.tcp).text == str(number)
                assert (cowherd.directory / "control.sock").exists()
            for load in (over_unix, over_tcp):
                load.wait_answers(20)
    for load in (over_unix, over_tcp):
        assert not load.failures and not load.refused
        assert {body for _, body in load.answers} == {b"1", b"2", b"3", b"4"}
    # start_server itself is told to go: nothing is left of either.
    cowherd.signal(signal.SIGTERM)
    assert cowherd.process.wait(20) == 0
    for name in ("control.sock", "cowherd.pid", "starter.sock"):
        assert not (cowherd.directory / name).exists(), name


def test_while_the_new_one_loads_the_old_one_keeps_its_places(cowherd, started):
    """Longer than start_server waits: the old one has gone by then, and connections wait in the sockets."""
    app = cowherd.app(VERSION % "1")
    started.start()
    old = started.supervisor()
    gate = cowherd.fifo()
    app.write_text('File.open("%s") { |f| f.read }\n%s' % (gate, VERSION % "2"))
    cowherd.signal(signal.SIGHUP)
    with gate.wait_reader():
        assert started.pid_file() in (old, None)
        assert started.supervisor() in (old, None)
        wait_until(lambda: not process_alive(old))
        connection = cowherd.connect()
        response = connection.start()
    with connection:
        assert connection.read_response(response).text == "2"
    cowherd.wait_until(lambda: started.supervisor() == started.pid_file() != None)  # noqa: E711
    assert started.supervisor() != old


def test_a_new_one_that_fails_leaves_the_old_one_in_its_places(cowherd, started):
    app = cowherd.app(VERSION % "1")
    started.start()
    old = started.supervisor()
    app.write_text("this is ( no Ruby")
    cowherd.signal(signal.SIGHUP)
    cowherd.wait_until(lambda: "seems to have failed to start" in cowherd.stderr())
    assert started.supervisor() == old
    assert started.pid_file() == old
    assert fastcgi.request(started.tcp).text == "1"
    app.write_text(VERSION % "2")
    cowherd.wait_until(lambda: started.supervisor() not in (None, old) and not process_alive(old))
    assert fastcgi.request(started.tcp).text == "2"


def test_who_is_not_of_the_same_start_server_is_refused(cowherd, started):
    cowherd.app(VERSION % "1")
    started.start()
    supervisor = started.supervisor()
    given = socket.create_server(("127.0.0.1", 0))
    ports = "%d=%d;%s=%d" % (started.port, given.fileno(), started.path, given.fileno())
    environment = {**ENVIRONMENT, "SERVER_STARTER_GENERATION": "7", "SERVER_STARTER_PORT": ports}
    for line, taken in (("pid_file: none\n", "control.sock"), ("", "cowherd.pid")):
        text = cowherd.file.read_text()
        if line:
            text = "".join(kept for kept in text.splitlines(True) if not kept.startswith("pid_file")) + line
        second = subprocess.run(
            [str(cowherd.program), "run", "-c", str(cowherd.write("second.yml", text))],
            env=environment,
            pass_fds=[given.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=20,
        )
        assert second.returncode == 1, second.stderr
        assert taken.encode() in second.stderr
    given.close()
    assert started.supervisor() == supervisor == started.pid_file()
    assert fastcgi.request(started.tcp).text == "1"


def test_a_port_that_was_not_given_is_named(cowherd, started):
    cowherd.configure(listen="starter:1")
    cowherd.app(VERSION % "1")
    started.start(ready=False)
    wanted = "starter:1: start_server has handed over no socket of that name; there is %s, %s"
    cowherd.wait_until(lambda: wanted % (started.tcp, started.path) in cowherd.stderr(), what=cowherd.stderr)
