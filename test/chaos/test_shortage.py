"""The machine runs out of disk, descriptors, memory and processes, under load, and has them again: nobody gets a wrong
byte, the books add up, nothing is left over, and service is back at once."""

import contextlib
import ctypes
import os
import re
import resource
import signal
import subprocess
import time
from collections import Counter

import pytest

import fastcgi
from clients import Clients, app
from herd import BUILD, INSTRUMENTED, PATIENCE, plain_memory, session_processes, wait_until
from soundness import assert_as_after_the_start, assert_back_within_a_second, assert_no_zombie, descriptors, settled
from test_chaos import recycled

STORE = """
run ->(env) { [200, {}, [Cowherd.store.increment("n").to_s]] }
"""

# /?N takes N times 100 kB.
HUNGRY = """
run ->(env) do
  kept = []
  env["QUERY_STRING"].to_i.times { kept << "x" * 100_000 }
  [200, {}, [kept.size.to_s]]
end
"""

ACCESS_LINE = re.compile(r' "(?:GET|POST) /\S* HTTP/1\.1" \d+ ')
LOST_ACCESSES = re.compile(r" (\d+) lines? of the access log (?:is|are) lost: ")


# -- what is short


@contextlib.contextmanager
def limited(kind, limits):
    """`limits`: what each process may have until the end of the context. Those that have ended by then are let be."""
    before = {pid: resource.prlimit(pid, kind) for pid in limits}
    for pid, limit in limits.items():
        resource.prlimit(pid, kind, (limit, before[pid][1]))
    try:
        yield
    finally:
        for pid, limit in before.items():
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, kind, limit)


class Disk:
    """A file system of `size` bytes of its own, mounted where nobody else sees it."""

    def __init__(self, path, size):
        path.mkdir()
        self.path, self._libc = path, ctypes.CDLL(None, use_errno=True)
        self._filler = path / "filler"
        new_namespace, private, everything_below = 0x20000, 1 << 18, 0x4000
        self._try("unshare", new_namespace)
        self._try("mount", b"none", b"/", None, private | everything_below, None)
        self._try("mount", b"none", os.fsencode(path), b"tmpfs", 0, b"mode=0777,size=%d" % size)

    def _try(self, name, *arguments):
        if getattr(self._libc, name)(*arguments) != 0:
            raise OSError(ctypes.get_errno(), "%s: %s" % (name, os.strerror(ctypes.get_errno())))

    @contextlib.contextmanager
    def full(self):
        try:
            with open(self._filler, "wb", buffering=0) as filler, contextlib.suppress(OSError):
                while filler.write(b"x" * 4096):
                    pass
            yield
        finally:
            self._filler.unlink()

    def release(self):
        detach = 2
        self._libc.umount2(os.fsencode(self.path), detach)


@pytest.fixture
def disk(cowherd):
    """disk(size) is a Disk in the herd's directory, None where nothing can be mounted."""
    made = []

    def make(size):
        try:
            made.append(Disk(cowherd.directory / "disk", size))
        except OSError:
            return None
        return made[0]

    yield make
    if made:
        if cowherd.process and cowherd.process.poll() is None:
            cowherd.stop()
        made[0].release()


def status_of(pid, field):
    with open("/proc/%d/status" % pid) as status:
        return next(int(line.split()[1]) for line in status if line.startswith(field + ":"))


def first_free_descriptor(pid):
    taken = {int(name) for name in os.listdir("/proc/%d/fd" % pid)}
    return min(set(range(len(taken) + 1)) - taken)


# -- what has to be as before


class Watched:
    """The supervisor and the mold before the faults, to be compared with after them."""

    def __init__(self, herd):
        self.herd, self.supervisor = herd, herd.process.pid
        self.workers = len(herd.workers())
        mold = self.mold()
        self.descriptors = settled(lambda: (descriptors(self.supervisor), descriptors(mold)))
        self.resident = status_of(self.supervisor, "RssAnon")

    def mold(self):
        return self.herd.pool()["mold"]["pid"]

    def grown(self):
        return status_of(self.supervisor, "RssAnon") - self.resident

    def assert_as_before(self):
        herd = self.herd
        herd.wait_ready()
        assert_as_after_the_start(herd, self.workers)
        assert_no_zombie(self.supervisor)
        mold = self.mold()
        herd.wait_until(
            lambda: (descriptors(self.supervisor), descriptors(mold)) == self.descriptors,
            what=lambda: "descriptors of supervisor and mold as before: %s, %s"
            % ((descriptors(self.supervisor), descriptors(mold)), self.descriptors),
        )
        # Up to seven small blocks of each size stay with malloc, and the pages that they are on; a single one of the large
        # configurations would be 800 kB.
        if not INSTRUMENTED:
            wait_until(lambda: self.grown() < 512, what=lambda: "the supervisor has grown by %d kB" % self.grown())


class Recoveries:
    """How long it took from the end of each fault to answers; the waits have limits of their own, which are longer."""

    def __init__(self, clients):
        self.clients, self.times = clients, []

    def wait(self, condition=lambda: True):
        started = time.monotonic()
        self.clients.wait_answers(1)
        wait_until(condition)
        self.times.append(time.monotonic() - started)
        assert_back_within_a_second(self.times)

    def __str__(self):
        ordered = sorted(self.times)
        return "back after %.3f s (median), %.3f s (longest)" % (ordered[len(ordered) // 2], ordered[-1])


# -- a full disk


def lines_of(path):
    return path.read_text(errors="replace").split("\n")


def lost_accesses(herd):
    return sum(int(LOST_ACCESSES.search(line).group(1)) for line in herd.log_lines(" of the access log ", " lost: "))


def tellings(herd):
    return len(herd.log_lines(" of the access log ", " lost: "))


def not_accounted_for(herd, access):
    """Requests, less the lines that are written or told to be lost. (What was cut at the end of the room may stand before
    somebody else's line, or be counted and stand there, too.)"""
    ledger = herd.ledger()
    written = sum(bool(ACCESS_LINE.search(line)) for line in lines_of(access))
    return ledger["completed"] + ledger["error_answered"] - written - lost_accesses(herd)


def wait_all_told(herd, clients, told, access, allowed):
    """Each worker tells what it has lost with its first line a second after it began to lose."""

    def all_told():
        clients.wait_round()
        with clients.quiet():
            return tellings(herd) > told and abs(not_accounted_for(herd, access)) <= allowed

    herd.wait_until(all_told, what=lambda: "the lost lines are told: %s" % herd.log()[-500:])


def test_20_times_no_room_for_logs(cowherd, disk, rng, times, tell):
    """Also none for a pid file and a store: what needs it fails and says so, and everything else goes on. The disk is
    full, or files may not grow."""
    place = disk(16 << 20)
    folder = place.path if place else cowherd.directory
    access, error = folder / "access.log", folder / "error.log"
    cowherd.settings["log"] = {"level": "debug", "error": error, "access": {"path": access}}
    cowherd.settings["pid_file"] = folder / "cowherd.pid"
    if place:
        os.symlink(error, cowherd.directory / "error.log")
        cowherd.app(STORE, host="store.test", store={"size": "64KiB", "file": folder / "store"})
    cowherd.app(app())
    cowherd.start()
    counted = int(cowherd.request(host="store.test").body) if place else 0
    before, refused, rounds = Watched(cowherd), 0, times(20)

    def shortage(full):
        if full:
            return place.full()
        size = access.stat().st_size + rng.randrange(200)
        return limited(resource.RLIMIT_FSIZE, dict.fromkeys([before.supervisor, *cowherd.worker_pids()], size))

    with Clients(cowherd, rng) as clients:
        clients.wait_answers(20)
        recoveries = Recoveries(clients)
        for number in range(rounds):
            told, full = tellings(cowherd), place and number % 2 == 0
            with shortage(full):
                # More lines than have room on the last page of a file: some are lost.
                clients.wait_answers(rng.randrange(60, 140))
                for _ in range(3 if place else 0):
                    answer = cowherd.request(host="store.test")
                    assert answer.status in (200, 500), answer
                    refused += answer.status == 500
                    counted += answer.status == 200
                if full:
                    assert_no_other_can_start(cowherd, folder)
            recoveries.wait()
            wait_all_told(cowherd, clients, told, access, allowed=3 * (number + 1))
            if place:
                counted += 1
                assert int(cowherd.request(host="store.test").body) == counted
    assert clients.failed == 0, clients.failures[:10]
    before.assert_as_before()
    ledger = cowherd.wait_ledger()
    assert (ledger["lost"], ledger["client_gone"], ledger["error_answered"]) == (0, 0, refused), ledger
    # Workers say at their end what they have lost since they told it last.
    assert cowherd.reload().returncode == 0
    cowherd.wait_until(lambda: len(cowherd.pool()["generations"]) == 1)
    left = not_accounted_for(cowherd, access)
    tell("%d times, %d answers, %d accesses lost and %d not accounted for, %d requests of a store refused, %s, grown by %d kB"
         % (rounds, clients.answered, lost_accesses(cowherd), left, refused, recoveries, before.grown()))
    assert abs(left) <= 3 * rounds
    if place:
        def onsets():
            return cowherd.stderr().count("the error log can't be written")

        said = onsets()
        with place.full():
            assert cowherd.reload().returncode == 0
            wait_until(lambda: log_a_line(cowherd) or onsets() > said)
        log_a_line(cowherd)
        cowherd.wait_log("of this log", "lost: No space left on device")


def log_a_line(herd):
    herd.signal(signal.SIGUSR1)


def assert_no_other_can_start(herd, folder):
    text = herd.file.read_text().replace("cowherd.pid", "other.pid").replace("control.sock", "other.sock")
    result = herd.command("run", "-c", herd.write("other.yml", text), file=False)
    assert result.returncode == 1 and "other.pid: No space left on device" in result.stderr, result
    assert not (folder / "other.pid").exists()


# -- no descriptors


def wait_told(herd, *parts):
    herd.wait_until(lambda: herd.log_lines(*parts), what=lambda: "%s: %s" % (parts, herd.log()[-1000:]))


def processes(herd, case):
    pool = herd.pool()
    workers = [worker["pid"] for worker in pool["workers"]]
    return {
        "a worker": workers[:1],
        "workers": workers,
        "the mold": [pool["mold"]["pid"]],
        "the supervisor": [herd.process.pid],
    }[case]


def test_60_times_no_descriptors(cowherd, rng, times, tell):
    """Those who have none leave connections in the queue, and what is ordered comes when there are some again."""
    cowherd.configure(workers=3)
    cowherd.app(app())
    cowherd.start()
    before, rounds = Watched(cowherd), max(4, times(60))
    cases = ["workers", "a worker", "the mold", "the supervisor"]
    cases += rng.choices(cases, k=rounds - len(cases))
    with Clients(cowherd, rng, threads=6, keep=True) as kept, Clients(cowherd, rng) as clients:
        clients.wait_answers(20)
        recoveries = Recoveries(clients)
        for case in cases:
            kept.wait_round()  # each has its connection: there won't be another
            pids = processes(cowherd, case)
            if case.startswith("the"):  # (what it has open for a moment only would be one to spare)
                settled(lambda: [descriptors(pid) for pid in pids])
            limits = {pid: first_free_descriptor(pid) for pid in pids}
            with limited(resource.RLIMIT_NOFILE, limits):
                if case == "a worker":
                    clients.wait_answers(rng.randrange(50))
                if case.startswith("the"):
                    one_more(cowherd, case)
                kept.wait_answers(rng.randrange(20))
            recoveries.wait(lambda: not case.startswith("the") or idle_workers(cowherd) == 4)
            if case.startswith("the"):
                assert cowherd.command("scale", "web", "3").returncode == 0
            cowherd.wait_ready(generation=1)
    for load in (clients, kept):
        assert load.failed == 0, load.failures[:10]
    before.assert_as_before()
    tell("%d times, %d answers, %s, grown by %d kB"
         % (rounds, clients.answered + kept.answered, recoveries, before.grown()))  # fmt: skip
    ledger = cowherd.wait_ledger()
    assert (ledger["error_answered"], ledger["lost"], ledger["client_gone"]) == (0, 0, 0)
    assert ledger["completed"] == clients.answered + kept.answered


def idle_workers(herd):
    status = herd.try_status()
    workers = status["pools"][0]["workers"] if status else []
    return sum(worker["state"] in ("idle", "busy") for worker in workers)


def one_more(herd, case):
    """Ordered where it can't be had: the log says why, once, and what to look at."""
    told = len(herd.log_lines("no more files can be opened", "LimitNOFILE="))
    herd.signal(signal.SIGTTIN)
    wait_until(lambda: len(herd.log_lines("no more files can be opened", "LimitNOFILE=")) > told,
               what=lambda: "%s can't have a worker: %s" % (case, herd.log()[-1000:]))  # fmt: skip


# -- no memory


def in_background(herd, *arguments):
    line = [herd.program, *arguments, "-c", herd.file]
    return subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def lift(herd, kind, limits):
    """Who was forked while its parent had too little has inherited that; its parent may be among those listed here."""
    lifted = set()
    while new := set(session_processes(herd.process.pid)) - lifted:
        for pid in new:
            with contextlib.suppress(ProcessLookupError):
                resource.prlimit(pid, kind, limits)
        lifted |= new


def feed(herd, size):
    """The status of its answer."""
    try:
        answer = herd.request("/?%d" % size, host="hungry.test")
    except fastcgi.ConnectionClosed:
        return "closed"
    assert answer.status != 200 or answer.body == b"%d" % size, answer
    return answer.status


def reload_with(herd, much):
    """A configuration that takes more than the supervisor's reserve, or a small one; the reload is on its way."""
    herd.configure(env={"PADDING%d" % n: "x" * 4000 for n in range(200 if much else 0)})
    herd.write_configuration()
    return in_background(herd, "reload")


@plain_memory
def test_40_times_no_memory(cowherd, rng, times, tell):
    """Workers answer 500 or go, and others come. The supervisor waits, and then does what it was asked for."""
    cowherd.deaths_expected = True
    cowherd.configure(workers=3)
    cowherd.app(app())
    cowherd.app(HUNGRY, host="hungry.test")
    cowherd.start()
    for much in (True, False):
        assert reload_with(cowherd, much).wait(PATIENCE) == 0
    cowherd.wait_until(lambda: len(cowherd.pool()["generations"]) == 1)
    cowherd.wait_ready()
    before, rounds = Watched(cowherd), max(4, times(40))
    cases = ["a worker", "workers", "the mold", "the supervisor"]
    cases += rng.choices(cases, k=rounds - len(cases))
    reloads, hungry = [], Counter()
    with Clients(cowherd, rng, threads=6) as clients:
        clients.wait_answers(50)
        recoveries = Recoveries(clients)
        for case in cases:
            asked = None
            limit, field = rng.choice([(resource.RLIMIT_AS, "VmSize"), (resource.RLIMIT_DATA, "VmData")])
            limits = {
                pid: status_of(pid, field) * 1024 + rng.choice([0, 50_000, 500_000])
                for pid in processes(cowherd, case)
            }
            with limited(limit, limits):
                if case == "the supervisor":
                    asked = reload_with(cowherd, len(reloads) % 2 == 0)
                elif case == "the mold":
                    cowherd.signal(signal.SIGTTIN)
                # What a worker was given before it may keep: where all have too little, there is one who asks for more.
                for size in [1000 if case == "workers" else 200] + [rng.randrange(120, 250) for _ in range(5)]:
                    hungry[feed(cowherd, size)] += 1
                clients.wait_round()
            lift(cowherd, limit, resource.getrlimit(limit))
            recoveries.wait()
            if asked:
                said = asked.communicate(timeout=PATIENCE)[1].decode()
                assert asked.returncode == 0 or "the generation before it goes on serving" in said, said
                reloads.append(said or "done")
            if case == "the mold":
                cowherd.wait_until(lambda: idle_workers(cowherd) == 4)
                cowherd.signal(signal.SIGTTOU)
            cowherd.wait_ready()
            lift(cowherd, limit, resource.getrlimit(limit))  # nobody is being forked now
            # Nothing of it is left: nobody is refused, nobody dies.
            clients.wait_round()
            failed = clients.failed
            clients.wait_answers(30)
            assert clients.failed == failed, clients.failures[-5:]
            assert feed(cowherd, 100) == 200
        assert reload_with(cowherd, False).wait(PATIENCE) == 0
    ledger = cowherd.wait_ledger()
    waits = cowherd.log_lines("[supervisor", "out of memory")
    tell("%d times, outcomes %s, of the hungry %s, %d of %d reloads done, %d waits for memory, ledger %s, %s, "
         "grown by %d kB" % (rounds, dict(clients.outcomes), dict(hungry), reloads.count("done"), len(reloads),
                             len(waits), ledger, recoveries, before.grown()))  # fmt: skip
    assert hungry.total() > hungry[200] or clients.failed > 0, "nobody was short of memory"
    assert set(hungry) <= {200, 500, 503, "closed"} and "wrong" not in clients.outcomes
    assert ledger["client_gone"] == 0 and ledger["lost"] == 0
    before.assert_as_before()


# -- no processes


# Whoever is root has no limit of processes.
AS_NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []


@contextlib.contextmanager
def no_processes(pids):
    def limit(soft):
        for pid in pids:
            subprocess.run([*AS_NOBODY, "prlimit", "--nproc=%s:" % soft, "--pid", str(pid)], check=True)

    before = resource.prlimit(0, resource.RLIMIT_NPROC)[0]
    limit(1)
    try:
        yield
    finally:
        limit("unlimited" if before == resource.RLIM_INFINITY else before)


@pytest.fixture
def mortal(cowherd):
    """As nobody, when it is root's."""
    if AS_NOBODY:
        cowherd.program = cowherd.write(
            "as-nobody", '#!/bin/sh\nexec %s %s "$@"\n' % (" ".join(AS_NOBODY), BUILD / "cowherd")
        )
        cowherd.program.chmod(0o755)
        cowherd.directory.chmod(0o777)
        cowherd.pools["web"].pop("user")
    return cowherd


def test_20_times_no_processes(mortal, rng, times, tell):
    """The workers there are go on, beyond their number of requests, and generations that can't be had say why."""
    mortal.configure(workers=2, recycle={"requests": 150, "jitter": "50%"})
    mortal.app(app())
    mortal.start()
    before, rounds = Watched(mortal), times(20)
    with Clients(mortal, rng) as clients:
        clients.wait_answers(20)
        recoveries = Recoveries(clients)
        for number in range(rounds):
            both = number % 2 == 0
            with no_processes([before.mold()] + [before.supervisor] * both):
                mortal.wait_until(lambda: all(worker["requests"] > 150 for worker in mortal.workers()))
                if both:
                    result = mortal.reload()
                    assert result.returncode == 1 and "TasksMax=" in result.stderr, result
                    assert "the generation before it goes on serving" in result.stderr
                mortal.wait_log("a worker can't be forked: no more processes can be had", "rlimits.nproc")
                replaced = recycled(mortal)
            recoveries.wait()
            mortal.wait_ready()
            # They are recycled again.
            mortal.wait_until(lambda: clients.wait_answers(1) or recycled(mortal) > replaced + 3)
    assert clients.failed == 0, clients.failures[:10]
    mortal.configure(recycle={"requests": 0})
    mortal.write_configuration()
    assert mortal.reload().returncode == 0
    mortal.wait_until(lambda: len(mortal.pool()["generations"]) == 1)
    before.assert_as_before()
    ledger = mortal.wait_ledger()
    tell("%d times, %d answers, %d recycled, %s, grown by %d kB"
         % (rounds, clients.answered, recycled(mortal), recoveries, before.grown()))  # fmt: skip
    assert (ledger["completed"], ledger["lost"]) == (clients.answered, 0)


def threads(pid):
    return len(os.listdir("/proc/%d/task" % pid))


def test_no_threads(mortal):
    """A worker does without, says so once, and has one as soon as it can."""
    mortal.configure(workers=1)
    mortal.app("run ->(env) { [200, {}, []] }")
    mortal.start()
    (pid,) = mortal.worker_pids()
    with mortal.connect() as one, mortal.connect() as another:

        def ask():
            return one.request(keep=True).status == another.request(keep=True).status == 200

        with no_processes([pid]):
            mortal.wait_until(lambda: ask() and mortal.log_lines("thread", "can't be started", "rlimits.nproc"))
            assert threads(pid) == 1
        mortal.wait_until(lambda: ask() and threads(pid) == 2)
        assert len(mortal.log_lines("can't be started")) == 1
