"""Starts the real binaries in a temporary directory and watches them.

A Herd writes apps and a configuration, runs `cowherd run` in a session of its own, and at the end makes sure that no
process of that session is left. Waiting is always for a condition, up to a deadline.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest

import fastcgi

REPOSITORY = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("COWHERD_BUILD", REPOSITORY / "build")).resolve()
PATIENCE = float(os.environ.get("COWHERD_TEST_PATIENCE", "20"))
# By how much that is more than usual (test/valgrind): for times that a test sets, or says are not to be exceeded.
SLOWNESS = max(1, PATIENCE / 20)

# Words before the program of each supervisor: valgrind, which follows it into molds and workers (`make valgrind`).
WRAPPER = os.environ.get("COWHERD_WRAPPER", "").split()

# What a program holds until it exits is no leak here; the unit tests look for leaks. (Without sanitizers: ignored.)
ENVIRONMENT = {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}

SANITIZED = "asan" in BUILD.parts
INSTRUMENTED = SANITIZED or bool(WRAPPER)

# For tests of limits and figures of memory, and of the signals that a sanitizer takes for itself.
plain_memory = pytest.mark.skipif(INSTRUMENTED, reason="a sanitizer or valgrind has memory and handlers of its own")


def plain_program(why):
    """For a test that valgrind is no place for."""
    return pytest.mark.skipif(bool(WRAPPER), reason="under valgrind " + why)


# Whom the apps run as, which root has to say.
AS_ROOT = {"user": "root"} if os.geteuid() == 0 else {}

PLAIN = re.compile(
    r"(?!(?:yes|no|on|off|true|false|null|y|n)$)(?:[A-Za-z/][A-Za-z0-9_./-]*|\d+(?:ms|s|m|h|d|%|KiB|MiB))$"
)

# An app that says who answered: the worker's pid, then the path.
WHOAMI = """
run ->(env) { [200, {"content-type" => "text/plain"}, [File.open("/proc/self/stat") { |f| f.gets.to_i.to_s }]] }
"""

# For apps: a body that has begun, waits for the test (a Fifo) and ends.
HELD = """
class Held
  def initialize(fifo) = @fifo = fifo
  def each
    yield "begun,"
    File.open(@fifo) { |f| f.read }
    yield "done"
  end
end
"""


def yaml(value, indent=0):
    """Block YAML of dicts, lists, strings, integers and booleans."""
    pad = "  " * indent
    if isinstance(value, dict) and value:
        return "".join(
            "%s%s:%s" % (pad, key if PLAIN.match(key) else json.dumps(key), _yaml_member(item, indent))
            for key, item in value.items()
        )
    if isinstance(value, (list, tuple)) and value:
        return "".join("%s-%s" % (pad, _yaml_member(item, indent)) for item in value)
    raise ValueError(value)


def _yaml_member(item, indent):
    if isinstance(item, (dict, list, tuple)) and item:
        return "\n" + yaml(item, indent + 1)
    if isinstance(item, (Path, str)):
        text = str(item)
        return " %s\n" % (text if PLAIN.match(text) else json.dumps(text, ensure_ascii=False))
    return " %s\n" % json.dumps(item)


def wait_until(condition, timeout=PATIENCE, what=None, interval=0.01):
    """Waits until condition() is true and returns its value. `what` (text or callable) explains a failure."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            said = what() if callable(what) else what or getattr(condition, "__name__", "the condition")
            raise AssertionError("not within %g s: %s" % (timeout, said))
        time.sleep(interval)
        interval = min(interval * 1.5, 0.1)


_ports = set()


def free_port():
    """One that nobody has, and that nobody here was given before."""
    while True:
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            port = sock.getsockname()[1]
        if port not in _ports:
            _ports.add(port)
            return port


def process_alive(pid):
    """A zombie counts as gone: it does nothing any more."""
    stat = process_stat(pid)
    return stat is not None and stat[0] != "Z"


def process_stat(pid):
    """(state, ppid, pgrp, session) of /proc/PID/stat, or None."""
    try:
        text = Path("/proc/%d/stat" % pid).read_text(errors="replace")
    except OSError:
        return None
    state, ppid, group, session = text.rpartition(")")[2].split()[:4]
    return state, int(ppid), int(group), int(session)


def process_title(pid):
    try:
        return Path("/proc/%d/cmdline" % pid).read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return ""


def descriptors(pid):
    """{descriptor: where it leads} of a process. One that is closed while we look is not there."""
    folder = Path("/proc/%d/fd" % pid)
    found = {}
    for entry in os.listdir(folder):
        with contextlib.suppress(FileNotFoundError):
            found[int(entry)] = os.readlink(folder / entry)
    return found


def session_processes(session):
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            stat = process_stat(int(entry))
            if stat and stat[3] == session and stat[0] != "Z":
                found[int(entry)] = process_title(int(entry))
    return found


class Fifo:
    """Where an app waits for the test: the app opens it for reading and so blocks until release()."""

    def __init__(self, path):
        self.path = path
        os.mkfifo(path)
        os.chmod(path, 0o666)

    def __str__(self):
        return str(self.path)

    def release(self, timeout=PATIENCE):
        """Waits until a reader is there, then lets it go on. So it also proves that the app has come this far."""
        descriptor = self._open(timeout)
        os.close(descriptor)

    def wait_reader(self, timeout=PATIENCE):
        """A context: the app has come to the fifo; it goes on at the end of the context."""

        @contextlib.contextmanager
        def held():
            descriptor = self._open(timeout)
            try:
                yield
            finally:
                os.close(descriptor)

        return held()

    def _open(self, timeout):
        def attempt():
            try:
                return os.open(self.path, os.O_WRONLY | os.O_NONBLOCK) + 1
            except OSError:
                return 0

        return wait_until(attempt, timeout, "somebody reads %s" % self.path) - 1


class Herd:
    def __init__(self):
        root = tempfile.gettempdir()
        if len(root) > 40:  # a path of a unix socket has 107 bytes
            root = "/tmp"
        self.directory = Path(tempfile.mkdtemp(prefix="cowherd-", dir=root))
        self.directory.chmod(0o755)
        self.file = self.directory / "cowherd.yml"
        self.program = BUILD / "cowherd"
        self.settings = {
            "control": self.directory / "control.sock",
            "pid_file": self.directory / "cowherd.pid",
            "log": {"level": "debug", "error": self.directory / "error.log"},
        }
        self.pools = {}
        self.process = None
        self.sessions = []
        self.deaths_expected = False  # a test that lets workers die by a signal says so
        self._stderr = self.directory / "stderr.log"
        self._fifos = 0
        self.configure()

    # -- what to run

    def configure(self, pool="web", **settings):
        """Adds to the settings of a pool."""
        self.pools.setdefault(pool, {"listen": self.directory / (pool + ".sock"), **AS_ROOT, "workers": 2, "apps": []})
        self.pools[pool].update(settings)
        return self

    def write(self, path, text):
        target = self.directory / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(text, bytes):
            target.write_bytes(text)
        else:
            target.write_text(text)
        return target

    def app(self, source, host="*", pool="web", name=None, **settings):
        """Writes an app into a root of its own and puts it into the pool; returns the path of its file."""
        self.configure(pool)
        apps = self.pools[pool]["apps"]
        name = name or "%s%d" % (pool, len(apps))
        target = self.write("apps/%s/config.ru" % name, source)
        apps.append({"host": host, "root": target.parent, "rack": "config.ru", **settings})
        return target

    def fifo(self):
        self._fifos += 1
        return Fifo(self.directory / ("fifo%d" % self._fifos))

    def write_configuration(self):
        pools = self.pools
        if WRAPPER:
            patience = {"ready_timeout": "%ds" % PATIENCE}
            pools = {name: {**pool, "restart": {**patience, **pool.get("restart", {})}} for name, pool in pools.items()}
        self.file.write_text(yaml({**self.settings, "pools": pools}))

    # -- running

    def start(self, ready=True, configuration=None):
        if configuration is None:
            self.write_configuration()
        else:
            self.file.write_text(configuration)
        self.process = self.spawn("run", "-c", self.file)
        if ready:
            self.wait_ready()
        return self

    def spawn(self, *arguments):
        """A long-running command in a session of its own (which is checked and cleaned at the end)."""
        with open(self._stderr, "ab") as output:
            process = subprocess.Popen(
                [*WRAPPER, str(self.program), *map(str, arguments)],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self.directory,
                env=ENVIRONMENT,
                start_new_session=True,
            )
        self.sessions.append(process)
        return process

    def run_failing(self):
        """For a start that must fail: the exit status and what was said on standard error."""
        self.write_configuration() if not self.file.exists() else None
        status = self.spawn("run", "-c", self.file).wait(PATIENCE)
        return status, self.stderr()

    def command(self, *arguments, file=True, timeout=max(60, PATIENCE)):
        line = [str(self.program), *map(str, arguments)]
        if file:
            line += ["-c", str(self.file)]
        return subprocess.run(
            line,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            timeout=timeout,
            cwd=self.directory,
            env=ENVIRONMENT,
            encoding="utf-8",
            errors="surrogateescape",
        )

    def status(self):
        result = self._status()
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    def try_status(self):
        result = self._status()
        return json.loads(result.stdout) if result.returncode == 0 else None

    def _status(self):
        # By the socket: some tests make the configuration unusable.
        return self.command("status", "--json", "-s", self.settings["control"], file=False)

    def pool(self, name="web"):
        return next(pool for pool in self.status()["pools"] if pool["name"] == name)

    def workers(self, name="web"):
        return self.pool(name)["workers"]

    def worker_pids(self, name="web"):
        """Of those that have one: 0 is said of a worker of which the mold has not told yet, be it idle or not. (A test
        that killed 0 would kill itself and all others.)"""
        return {worker["pid"] for worker in self.workers(name) if worker["pid"]}

    def ledger(self, name="web"):
        return self.pool(name)["ledger"]

    def wait_ledger(self, name="web", **expected):
        """The ledger once every request that was accepted is entered, with these figures. (That is done a moment after
        the answer has left.)"""

        def entered():
            ledger = self.ledger(name)
            ended = sum(ledger[column] for column in ("completed", "error_answered", "client_gone", "lost"))
            agrees = all(ledger[column] == number for column, number in expected.items())
            return ledger if ledger["accepted"] == ended and agrees else None

        return self.wait_until(entered, what=lambda: "%s in the ledger: %s" % (expected, self.ledger(name)))

    @contextlib.contextmanager
    def unharmed(self):
        """Around what may harm workers: the same ones are there afterwards, all idle, they answer, and none was lost."""
        pids = self.worker_pids()
        yield
        for _ in range(4):
            assert self.request().body == b"fine"
        assert self.worker_pids() == pids
        self.wait_until(lambda: all(worker["state"] == "idle" for worker in self.workers()))
        assert self.ledger()["lost"] == 0

    def wait_until(self, condition, timeout=PATIENCE, what=None):
        def check():
            if self.process and self.process.poll() is not None:
                raise AssertionError("cowherd has left with status %s" % self.process.returncode)
            return condition()

        return wait_until(check, timeout, what)

    def wait_ready(self, generation=None):
        """All workers of all pools idle (or busy), all of the pool's generation."""

        def ready():
            status = self.try_status()
            if not status or {pool["name"] for pool in status["pools"]} != set(self.pools):
                return None
            return status if all(self._pool_ready(pool, generation) for pool in status["pools"]) else None

        return self.wait_until(ready, what=lambda: "ready; status: %s" % self.try_status())

    def _pool_ready(self, pool, generation):
        workers = pool["workers"]
        return (
            len(workers) == self.pools[pool["name"]]["workers"]
            and all(w["state"] in ("idle", "busy") and w["generation"] == pool["generation"] for w in workers)
            and all(w["pid"] for w in workers)
            and generation in (None, pool["generation"])
        )

    def wait_generation(self, number, pool="web"):
        """The generation serves, and no idle worker of an older one is left that might still accept. (The status says
        "draining" of those that are told to; their titles say when they have read it.)"""

        def taken_over():
            now = self.pool(pool)
            older = [worker["pid"] for worker in now["workers"] if worker["generation"] != number]
            return now["generation"] == number and not any(process_title(pid).endswith("(idle)") for pid in older)

        self.wait_until(taken_over, what=lambda: "generation %d of %s: %s" % (number, pool, self.pool(pool)))

    def signal(self, number):
        os.kill(self.process.pid, number)

    def reload(self, *arguments):
        return self.command("reload", *arguments)

    def stop(self, timeout=PATIENCE):
        """SIGTERM; the exit status."""
        self.signal(signal.SIGTERM)
        return self.process.wait(timeout)

    # -- talking to it

    def address(self, pool="web"):
        listen = self.pools[pool]["listen"]
        return listen[0] if isinstance(listen, (list, tuple)) else listen

    def connect(self, pool="web", timeout=PATIENCE):
        return fastcgi.Connection(self.address(pool), timeout)

    def request(self, uri="/", pool="web", timeout=PATIENCE, **about):
        return fastcgi.request(self.address(pool), timeout, uri=uri, **about)

    def client(self, pool="web"):
        return fastcgi.Client(self.address(pool), PATIENCE)

    def fill_channels(self):
        """Asks for memory more often than fits into the channel of a worker that reads nothing, and does not wait."""
        for _ in range(500):
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.connect(str(self.settings["control"]))
                client.sendall(b"memory table\n")

    # -- what it left

    def log(self):
        path = self.directory / "error.log"
        return path.read_text(errors="backslashreplace") if path.exists() else ""

    def log_lines(self, *parts):
        """The lines of the error log that hold every one of `parts`."""
        return [line for line in self.log().split("\n") if all(str(part) in line for part in parts)]

    def wait_log(self, *parts, timeout=PATIENCE):
        """Output of workers goes through a pipe: it comes soon, not at once."""
        return wait_until(lambda: self.log_lines(*parts), timeout, lambda: "log line with %s" % (parts,))

    def stderr(self):
        return self._stderr.read_text(errors="backslashreplace") if self._stderr.exists() else ""

    def report(self):
        text = []
        for name, content in (("configuration", self.file), ("standard error", self._stderr)):
            if content.exists():
                text.append("--- %s\n%s" % (name, content.read_text(errors="backslashreplace")[-20000:]))
        text.append("--- error log\n%s" % self.log()[-40000:])
        for process in self.sessions:
            text.append("--- processes of session %d: %s" % (process.pid, session_processes(process.pid)))
        return "\n".join(text)

    # -- the end

    def finish(self):
        """Stops what runs. Complains about anything left, about sanitizer reports and about unexpected deaths."""
        complaints = []
        try:
            for process in self.sessions:
                complaints += self._finish_session(process)
            output = self.log() + self.stderr()
            for sign in ("AddressSanitizer", "LeakSanitizer", "runtime error:"):
                if sign in output:
                    complaints.append("the output speaks of %s" % sign)
            if not self.deaths_expected:
                # (The supervisor itself kills what has not begun to serve of a generation that failed, and says so.)
                killed = r" \S+ \(.*\) ended: signal 9 .*; told to go: "
                given_up = "mold of" + killed + r"|worker \d+ of" + killed + "its generation failed"
                for line in self.log_lines(" ended: signal "):
                    if not re.search(given_up, line):
                        complaints.append("died: " + line)
        finally:
            report = self.report() if complaints else ""
            shutil.rmtree(self.directory, ignore_errors=True)
        assert not complaints, "\n".join(complaints + [report])

    def _finish_session(self, process):
        complaints = []
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                complaints.append("%d did not leave on SIGTERM" % process.pid)
                process.kill()
                process.wait()
        try:
            wait_until(lambda: not session_processes(process.pid), 10 * SLOWNESS)
        except AssertionError:
            left = session_processes(process.pid)
            complaints.append("processes left: %s" % left)
            for pid in left:
                stat = process_stat(pid)
                if stat and stat[3] == process.pid:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
        return complaints


class Load:
    """Threads that send requests until they are told to stop, and remember every outcome.

    `check(response)` says whether an answer is right. Outcomes: `answers` (a list of (started, body)), `failures`
    (whatever a client must not see), `refused` (no connection, or closed before a byte came: only a stop may do so).
    """

    def __init__(self, herd, threads=4, keep=False, check=None, pool="web", **about):
        self.herd, self.keep, self.pool, self.about = herd, keep, pool, about
        self.check = check or (lambda response: response.status == 200)
        self.answers, self.failures, self.refused = [], [], []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *unused):
        self._stop.set()
        for thread in self._threads:
            thread.join(2 * PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads), "a client hangs"

    def wait_answers(self, count):
        target = len(self.answers) + count
        wait_until(
            lambda: len(self.answers) >= target or self.failures or self.refused,
            what=lambda: "%d answers, failures: %s, refused: %s" % (len(self.answers), self.failures, self.refused),
        )
        return self

    def _run(self):
        client = self.herd.client(self.pool)
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                response = self._one(client)
                if self.check(response):
                    self.answers.append((started, response.body))
                else:
                    self.failures.append((response, response.body))
            except (ConnectionRefusedError, FileNotFoundError) as error:
                self.refused.append(error)
                return
            except fastcgi.ConnectionClosed as error:
                if error.response is None or not error.response.started:
                    self.refused.append(error)
                else:
                    self.failures.append(error)
            except Exception as error:  # every other outcome is a failure that the test shows
                self.failures.append(error)
        client.close()

    def _one(self, client):
        if self.keep:
            return client.request(**self.about)
        with self.herd.connect(self.pool) as connection:
            return connection.request(**self.about)
