"""Processes that are killed, stopped or crash, files that are removed or replaced, a /proc that nobody can read.

After each fault service is back within a second of its end (what was measured is printed), and in the end the books
balance, no process, no zombie and no descriptor is left, and the supervisor's memory has not grown."""

import concurrent.futures
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import fastcgi
from clients import Clients, app
from herd import PATIENCE, plain_memory, process_alive, process_stat, session_processes, wait_until
from soundness import Soundness, assert_back_within_a_second


class Recoveries:
    """Times from the end of a fault until all is well again, by kind of fault. They are told, and judged where there are
    many: a machine that is busy with something else takes longer now and then."""

    def __init__(self):
        self._times = {}

    def wait(self, kind, well, since=None):
        started = since or time.monotonic()
        wait_until(well, what="service after: %s" % kind, interval=0.002)
        times = self._times.setdefault(kind, [])
        times.append(time.monotonic() - started)
        assert_back_within_a_second(times)

    def __str__(self):
        return "; ".join(
            "%s %d times, back after %.0f ms (at most %.0f)"
            % (kind, len(times), 1000 * sorted(times)[len(times) // 2], 1000 * max(times))
            for kind, times in sorted(self._times.items())
        )


def answers(herd, pool="web"):
    """Whether a new connection is answered. (One that is left alone would be in the books as a client that has gone.)"""
    try:
        return herd.request("/alive", pool=pool).status == 200
    except OSError:
        return False


def serving(workers):
    """Those of whose pid the supervisor has heard, and that are not told to go."""
    return [w for w in workers if w["state"] in ("idle", "busy") and w["pid"]]


def proven_workers(herd, least=1):
    """All that have lived for long enough to be replaced at once, when there are so many."""

    def proven():
        ready = [w["pid"] for w in serving(herd.workers()) if w["uptime_s"] > 1.1]
        return ready if len(ready) >= least else None

    return herd.wait_until(proven, what=lambda: herd.workers())


def all_there(herd, but=()):
    """Whether all workers are, and none of these."""
    there = [w for w in serving(herd.workers()) if w["pid"] not in but]
    return len(there) == herd.pools["web"]["workers"]


def stop(pid):
    os.kill(pid, signal.SIGSTOP)
    wait_until(lambda: process_stat(pid)[0] == "T")


def pause(rng, least, most):
    """For as long as a fault is to last."""
    time.sleep(rng.uniform(least, most))


# -- workers and molds

ENDS = [signal.SIGKILL, signal.SIGSEGV]


def all_workers_end(herd, rng, recoveries):
    victims = proven_workers(herd, herd.pools["web"]["workers"])
    for victim in victims:
        os.kill(victim, rng.choice(ENDS))
    recoveries.wait("all workers killed", lambda: answers(herd))
    herd.wait_until(lambda: all_there(herd, victims))


def one_worker_ends(herd, rng, recoveries):
    victim = rng.choice(proven_workers(herd))
    os.kill(victim, rng.choice(ENDS))
    recoveries.wait("a worker killed", lambda: all_there(herd, [victim]))


def workers_stop(herd, rng, recoveries):
    victims = [w["pid"] for w in serving(herd.workers())]
    victims = rng.sample(victims, rng.choice([1, len(victims)]))
    for victim in victims:
        stop(victim)
    pause(rng, 0, 0.2)
    for victim in victims:
        os.kill(victim, signal.SIGCONT)
    recoveries.wait("workers stopped and continued", lambda: answers(herd))
    assert set(victims) <= herd.worker_pids(), "nobody is ended for having been stopped"


def mold_stops(herd, rng, recoveries):
    """Meanwhile a worker dies, and can't be replaced before."""
    victim = rng.choice(proven_workers(herd))
    mold = herd.pool()["mold"]["pid"]
    stop(mold)
    os.kill(victim, rng.choice(ENDS))
    wait_until(lambda: not process_alive(victim))
    wait_until(lambda: answers(herd))
    os.kill(mold, signal.SIGCONT)
    recoveries.wait("a mold stopped and continued", lambda: all_there(herd, [victim]))


def mold_ends(herd, rng, recoveries):
    before = herd.pool()
    os.kill(before["mold"]["pid"], rng.choice(ENDS))
    recoveries.wait("a mold killed", lambda: answers(herd))
    herd.wait_generation(before["generation"] + 1)
    herd.wait_until(lambda: len(herd.pool()["generations"]) == 1, what=herd.pool)


def test_100_faults_of_workers_and_molds(cowherd, rng, times, tell):
    cowherd.deaths_expected = True
    cowherd.configure(workers=4)
    cowherd.app(app())
    cowherd.start()
    sound, recoveries = Soundness(cowherd), Recoveries()
    faults = [one_worker_ends, all_workers_end, workers_stop, workers_stop, mold_stops]
    with Clients(cowherd, rng, threads=2) as clients, Clients(cowherd, rng, threads=2, keep=True) as kept:
        clients.wait_answers(20)
        deaths = 0
        for number in range(times(100, quick=5)):
            # A mold that dies soon after the one before it is replaced after a pause, which grows: 0.1, 0.2, 0.4, ... s.
            fault = mold_ends if number % 20 == 1 else rng.choice(faults)
            deaths += {one_worker_ends: 1, mold_stops: 1, all_workers_end: 4}.get(fault, 0)
            fault(cowherd, rng, recoveries)
            clients.wait_round()
    ledger = sound.check()
    tell("%s; outcomes %s and, kept, %s; ledger %s" % (recoveries, dict(clients.outcomes), dict(kept.outcomes), ledger))
    sound.assert_memory_is_flat()
    failed = clients.failed + kept.failed
    # Whom one served when it died has lost: an answer was cut off, did not come, or was the 500 of one that crashes.
    assert set(clients.outcomes) | set(kept.outcomes) <= {"answered", "closed", "cut", "error 500"}
    assert failed <= deaths, (clients.failures + kept.failures)[:10]
    assert ledger["lost"] + ledger["error_answered"] <= deaths


HELD = """
run ->(env) do
  begin
    sleep 3600 if env["PATH_INFO"] == "/held"
  rescue Exception
    retry
  end
  [200, {}, ["served"]]
end
"""


def test_workers_that_stay_stopped(cowherd, rng, times, tell):
    """One with a request in hand is ended at timeouts.hard, and the request answered 504; one without is ended when it
    is told to go and does not; until then the others serve."""
    cowherd.deaths_expected = True
    cowherd.configure(
        workers=3,
        timeouts={"request": "500ms", "hard": "4s", "header": "20s"},
        restart={"drain_timeout": "4s"},
    )
    cowherd.app(HELD)
    cowherd.start()
    sound, answered = Soundness(cowherd), []
    rounds = times(20, quick=1)
    for _ in range(rounds):
        with cowherd.connect() as connection:
            started = time.monotonic()
            response = connection.start(uri="/held")
            (busy,) = cowherd.wait_until(lambda: [w["pid"] for w in cowherd.workers() if w["state"] == "busy"])
            stop(busy)
            idle = rng.choice([w["pid"] for w in serving(cowherd.workers()) if w["pid"] != busy])
            stop(idle)
            assert cowherd.request().text == "served"
            assert cowherd.reload().returncode == 0
            assert cowherd.request().text == "served"
            assert connection.read_response(response).status == 504
            answered.append(time.monotonic() - started)
        wait_until(lambda: not process_alive(busy) and not process_alive(idle))
    ledger = sound.check()
    assert (ledger["error_answered"], ledger["lost"]) == (rounds, 0)
    tell("%d stopped with a request of 4 s at most: 504 after %.2f s at most; %s"
         % (rounds, max(answered), sound.assert_memory_is_flat()))


# -- the supervisor


def test_50_deaths_of_the_supervisor(cowherd, rng, times, tell):
    """Nobody gets half an answer, nobody is left behind, and the next supervisor takes sockets and pid file over."""
    cowherd.deaths_expected = True
    cowherd.configure(workers=3)
    cowherd.app(app())
    cowherd.start()
    recoveries, left = Recoveries(), []
    with Clients(cowherd, rng) as clients:
        for _ in range(times(50, quick=3)):
            clients.wait_answers(20)
            pause(rng, 0, 0.05)
            before = cowherd.process
            before.send_signal(rng.choice(ENDS))
            before.wait()
            if rng.random() < 0.5:  # else the next one starts while the workers of this one are still there
                died = time.monotonic()
                wait_until(lambda: not session_processes(before.pid))
                left.append(time.monotonic() - died)
            started = time.monotonic()
            cowherd.start(ready=False)
            recoveries.wait("the supervisor killed and started again", lambda: answers(cowherd), started)
            wait_until(lambda: not session_processes(before.pid), what=lambda: session_processes(before.pid))
            cowherd.wait_ready()
    Soundness(cowherd).check()
    tell("%s; the workers left within %.0f ms; outcomes %s"
         % (recoveries, 1000 * max(left, default=0), dict(clients.outcomes)))
    assert set(clients.outcomes) <= {"answered", "closed", "refused"}, clients.failures[:10]
    assert int((cowherd.directory / "cowherd.pid").read_text()) == cowherd.process.pid


def test_50_standstills_of_the_supervisor(cowherd, rng, times, tell):
    """Workers serve on; what came meanwhile (deaths, signals, commands) is done when it goes on, and nobody is late."""
    cowherd.deaths_expected = True
    cowherd.configure(workers=4, timeouts={"request": "500ms", "hard": "1s", "header": "20s"}, restart={"ready_timeout": "5s"})
    cowherd.app(app())
    cowherd.start()
    sound, recoveries, deaths = Soundness(cowherd), Recoveries(), 0
    with Clients(cowherd, rng) as clients, concurrent.futures.ThreadPoolExecutor(1) as aside:
        for _ in range(times(50, quick=2)):
            workers = proven_workers(cowherd)
            generation = cowherd.pool()["generation"]
            stop(cowherd.process.pid)
            what = rng.choice(["nothing", "a death", "HUP", "a command"])
            victims = [rng.choice(workers)] if what == "a death" else []
            for victim in victims:
                os.kill(victim, rng.choice(ENDS))
                deaths += 1
            command = aside.submit(cowherd.reload) if what == "a command" else None
            if what == "HUP":
                cowherd.signal(signal.SIGHUP)
            clients.wait_answers(10)
            pause(rng, 0, 0.8)
            cowherd.signal(signal.SIGCONT)
            recoveries.wait("the supervisor stopped and continued", cowherd.try_status)
            if command:
                assert command.result(PATIENCE).returncode == 0
            if what in ("HUP", "a command"):
                cowherd.wait_generation(generation + 1)
            cowherd.wait_until(lambda: all_there(cowherd, victims))
    ledger = sound.check()
    tell("%s; outcomes %s, ledger %s" % (recoveries, dict(clients.outcomes), ledger))
    sound.assert_memory_is_flat()
    assert set(clients.outcomes) <= {"answered", "closed", "cut", "error 500"}
    assert clients.failed <= deaths and ledger["lost"] + ledger["error_answered"] <= deaths, clients.failures[:10]


# -- sockets


def removed(path, rng):
    os.unlink(path)


def moved_away(path, rng):
    path.rename(path.with_suffix(".away%d" % rng.randrange(1 << 30)))


def put_in_its_place(path, rng, make):
    """Whole at once; then that is taken away, which is the end of the fault."""
    other = path.with_suffix(".other")
    make(other)
    other.rename(path)
    pause(rng, 0, 0.1)
    path.unlink()


def a_file_in_its_place(path, rng):
    put_in_its_place(path, rng, lambda other: other.write_text("no socket"))


def a_dead_socket_in_its_place(path, rng):
    def make(other):
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(other))

    put_in_its_place(path, rng, make)


def folder_away_and_back(path, rng):
    away = path.parent.with_name("away")
    path.parent.rename(away)
    pause(rng, 0, 0.1)
    away.rename(path.parent)


def folder_made_anew(path, rng):
    away = path.parent.with_name("away")
    path.parent.rename(away)
    shutil.rmtree(away)
    pause(rng, 0, 0.1)
    path.parent.mkdir()


def test_60_faults_of_sockets(cowherd, rng, times, tell):
    """Who has a connection notices nothing; new ones are possible again by themselves."""
    sockets = cowherd.directory / "sockets"
    sockets.mkdir()
    control, web, status = sockets / "control.sock", sockets / "web.sock", sockets / "status.sock"
    cowherd.settings.update(control=control, status={"listen": status})
    cowherd.configure(listen=web)
    cowherd.app(app())
    cowherd.start()

    def status_answers():
        try:
            return fastcgi.request(status, 5, uri="/status").status == 200
        except OSError:
            return False

    wait_until(status_answers)
    well = {web: lambda: answers(cowherd), control: cowherd.try_status, status: status_answers}
    faults = [removed, moved_away, a_file_in_its_place, a_dead_socket_in_its_place]
    faults += [folder_away_and_back, folder_made_anew]
    sound, recoveries = Soundness(cowherd), Recoveries()
    with Clients(cowherd, rng, threads=2) as clients, Clients(cowherd, rng, threads=2, keep=True) as kept:
        kept.wait_answers(5)
        rounds = times(60, quick=6)
        for number in range(rounds):
            fault = faults[number % len(faults)]
            path = rng.choice([web, web, control, status])
            fault(path, rng)
            ended = time.monotonic()
            kind = "%s: %s" % (path.stem, fault.__name__.replace("_", " "))
            recoveries.wait(kind, well[path], ended)
            for check in well.values():  # (the folder has all of them)
                wait_until(check)
            cowherd.wait_ready()
            clients.wait_answers(5)
    ledger = sound.check()
    tell("%s; outcomes %s and, kept, %s" % (recoveries, dict(clients.outcomes), dict(kept.outcomes)))
    tell(sound.assert_memory_is_flat())
    assert set(clients.outcomes) <= {"answered", "refused"}, [f for f in clients.failures if f[0] != "refused"][:10]
    assert set(kept.outcomes) <= {"answered", "refused"}, [f for f in kept.failures if f[0] != "refused"][:10]
    assert (ledger["error_answered"], ledger["client_gone"], ledger["lost"]) == (0, 0, 0)


# -- configuration files

VERSION = """
run ->(env) { [200, {}, [ENV["VERSION"]]] }
"""


class Releases:
    """A folder of configuration that one link leads to, and a thread that puts another one in its place again and again:
    by the link, by renaming files, or by writing them where they are, half of it first. What is half there is no
    configuration: a part of a JSON text is none."""

    def __init__(self, herd, rng):
        self.herd, self.rng, self.number = herd, rng, 0
        self.piecemeal = set()  # versions whose files came one after the other
        self.link = herd.directory / "current"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._swap()

    def _texts(self):
        self.number += 1
        version = "%06d" % self.number
        pools = {
            name: {**settings, "env": {"VERSION": version}} for name, settings in self.herd.pools.items()
        }
        main = {**self.herd.settings, "include": "more/*.yml", "pools": {"web": pools["web"]}}
        return {
            name: json.dumps(text, default=str)
            for name, text in (("cowherd.yml", main), ("more/other.yml", {"pools": {"other": pools["other"]}}))
        }

    def _swap(self):
        folder = self.herd.directory / ("release%d" % (self.number + 1))
        (folder / "more").mkdir(parents=True)
        for name, text in self._texts().items():
            (folder / name).write_text(text)
        before = self.link.resolve() if self.link.exists() else None
        new = self.link.with_suffix(".new")
        new.symlink_to(folder)
        new.rename(self.link)
        if before:
            shutil.rmtree(before)

    def _rename(self):
        for name, text in self._piecemeal():
            path = self.link / name
            other = path.with_suffix(".other")
            other.write_text(text)
            other.rename(path)

    def _write(self):
        for name, text in self._piecemeal():
            with open(self.link / name, "r+b", buffering=0) as file:
                cut = self.rng.randrange(1, len(text))
                file.truncate(cut)
                file.write(text[:cut].encode())
                self._stop.wait(self.rng.uniform(0, 0.01))
                file.write(text[cut:].encode())

    def _piecemeal(self):
        texts = self._texts()
        self.piecemeal.add("%06d" % self.number)
        return texts.items()

    def _run(self):
        while not self._stop.is_set():
            self.rng.choice([self._swap, self._swap, self._rename, self._write])()
            self._stop.wait(self.rng.uniform(0, 0.02))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *unused):
        self._stop.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()


def versions_in_force(herd):
    """Of web and other. (Who asked for a reload waits a second at most until the old workers have read that they are to
    go.)"""
    for pool in herd.status()["pools"]:
        herd.wait_generation(pool["generation"], pool["name"])
    return [herd.request(pool=pool).text for pool in ("web", "other")]


def test_500_reloads_while_the_files_change(cowherd, rng, times, tell):
    """What is in force is of one version, and of a whole one."""
    cowherd.app(VERSION)
    cowherd.app(VERSION, pool="other")
    releases = Releases(cowherd, rng)
    cowherd.file = releases.link / "cowherd.yml"
    cowherd.process = cowherd.spawn("run", "-c", cowherd.file)
    cowherd.wait_ready()
    sound, refused, seen, rounds = Soundness(cowherd), 0, set(), times(500, quick=10)
    with releases:
        for number in range(rounds):
            result = cowherd.command("reload", "-s", cowherd.settings["control"], file=False)
            if result.returncode != 0:
                assert "the configuration can't be used, the old one stays in force" in result.stderr
                refused += 1
            web, other = versions_in_force(cowherd)
            assert web == other or max(web, other) in releases.piecemeal, (web, other)
            seen.add(web)
            if number % max(1, rounds // 10) == 0:
                sound.check()
    assert cowherd.command("reload", "-s", cowherd.settings["control"], file=False).returncode == 0
    assert versions_in_force(cowherd) == ["%06d" % releases.number] * 2
    sound.check()
    tell("%d reloads amid %d versions: %d in force, %d refused; %s"
         % (rounds, releases.number, len(seen), refused, sound.assert_memory_is_flat()))


# -- /proc


def in_a_namespace_of_mounts(herd):
    """Starts the supervisor where /proc can be hidden from it alone."""
    probe = subprocess.run(["unshare", "-m", "true"], capture_output=True, text=True)
    if os.geteuid() != 0 or probe.returncode != 0 or not shutil.which("nsenter"):
        pytest.skip("hiding /proc takes root, unshare(1) and nsenter(1): %s" % (probe.stderr.strip() or "not root"))
    program = herd.program
    herd.program = herd.write("own-mounts", '#!/bin/sh\nexec unshare -m "%s" "$@"\n' % program)
    herd.program.chmod(0o755)
    herd.start()
    herd.program = program


def mount(herd, *command):
    subprocess.run(["nsenter", "--mount=/proc/%d/ns/mnt" % herd.process.pid, *command], check=True)


# (umount(8) wants to read in /proc itself; lazily, as somebody may be reading in what goes.)
SHOW = "import ctypes; exit(-ctypes.CDLL(None).umount2(b'/proc', 2))"
HIDDEN = [
    ["mount", "-t", "tmpfs", "none", "/proc"],
    ["mount", "-t", "tmpfs", "none", "/proc"],
    ["mount", "-t", "proc", "-o", "hidepid=2", "proc", "/proc"],
]


@plain_memory  # a sanitizer reads in /proc what it is to leave alone
def test_20_times_without_proc(cowherd, rng, times, tell):
    """All that goes on needs nothing of /proc: reloads, replacements, crashes, an upgrade. Memory is not measured."""
    cowherd.deaths_expected = True
    cowherd.configure(workers=3)
    cowherd.app(app())
    in_a_namespace_of_mounts(cowherd)
    sound, recoveries, deaths = Soundness(cowherd), Recoveries(), 0
    with Clients(cowherd, rng, threads=2) as clients:
        clients.wait_answers(10)
        for number in range(times(20, quick=1)):
            mount(cowherd, *rng.choice(HIDDEN))
            assert cowherd.reload().returncode == 0
            victims = proven_workers(cowherd, 3)
            for victim in victims:
                os.kill(victim, rng.choice(ENDS))
            deaths += len(victims)
            recoveries.wait("all workers killed without /proc", lambda: answers(cowherd))
            cowherd.wait_until(lambda: all_there(cowherd, victims))
            if number % 5 == 0:
                cowherd.signal(signal.SIGUSR2)
                upgrades = number // 5 + 1
                cowherd.wait_until(lambda: len(cowherd.log_lines("has taken over")) == upgrades)
            mount(cowherd, sys.executable, "-c", SHOW)
            assert cowherd.reload().returncode == 0
            clients.wait_answers(10)
        cowherd.wait_until(lambda: all(w["memory"]["private"] for w in cowherd.workers()), what="memory is measured")
    ledger = sound.check()
    unseeing = re.findall(r"\[web mold (\d+).* nobody looks after the descriptors", cowherd.log())
    assert len(unseeing) == len(set(unseeing)), "each mold says it once"
    tell("%s; outcomes %s" % (recoveries, dict(clients.outcomes)))
    assert set(clients.outcomes) <= {"answered", "closed", "cut", "error 500"}
    assert clients.failed <= deaths and ledger["lost"] + ledger["error_answered"] <= deaths, clients.failures[:10]


# -- reloads


def test_2000_reloads_leave_nothing(cowherd, rng, times, tell):
    path = cowherd.app(app(1))
    cowherd.start()
    sound, rounds = Soundness(cowherd), times(2000, quick=10)
    with Clients(cowherd, rng, threads=1, keep=True) as clients:
        for number in range(rounds):
            if number % 10 == 0:
                path.write_text(app(number) if rng.random() < 0.9 else "raise 'no'\n")
            failing = "raise" in path.read_text()
            assert cowherd.reload().returncode == (1 if failing else 0)
            if number % max(1, rounds // 10) == 0:
                sound.check()
    ledger = sound.check()
    tell("%d reloads, %d answers, %d failed; %s"
         % (rounds, clients.answered, clients.failed, sound.assert_memory_is_flat()))
    assert clients.failed == 0, clients.failures[:10]
    assert (ledger["error_answered"], ledger["lost"]) == (0, 0)
