"""Any call of the supervisor that asks the machine for something fails, one at a time or some in a row: what was to be
done is done later or refused with words, and not a block of memory and not a descriptor is left over."""

import contextlib
import mmap
import os
import signal
import struct

import pytest

import herd as herd_module
from herd import BUILD, plain_memory, wait_until
from soundness import descriptors, settled

LIBRARY = BUILD / "chaos" / "failing_calls.so"
APP = 'run ->(env) { [200, {}, ["fine"]] }\n'


class Calls:
    """The page that failing_calls.c writes and reads: `struct page` there."""

    FIELDS = ("calls", "first", "after", "failed", "blocks", "bytes")

    def __init__(self, path):
        path.write_bytes(bytes(8 * len(self.FIELDS)))
        with open(path, "r+b") as file:
            self._page = mmap.mmap(file.fileno(), 0)

    def __getattr__(self, field):
        return struct.unpack_from("q", self._page, 8 * self.FIELDS.index(field))[0]

    def _set(self, field, value):
        struct.pack_into("q", self._page, 8 * self.FIELDS.index(field), value)

    @contextlib.contextmanager
    def failing(self, first, count):
        """`count` calls fail, from the one that comes after `first` others."""
        now = self.calls
        self._set("first", now + first)  # (none fails before it is said how many)
        self._set("after", now + first + count)
        try:
            yield
        finally:
            self._set("after", 0)


@pytest.fixture
def calls(cowherd, monkeypatch):
    """Of `cowherd`, which runs."""
    assert LIBRARY.exists(), "%s is made by make test and make chaos" % LIBRARY
    calls = Calls(cowherd.directory / "calls")
    with monkeypatch.context() as only_here:
        only_here.setitem(herd_module.ENVIRONMENT, "LD_PRELOAD", str(LIBRARY))
        only_here.setitem(herd_module.ENVIRONMENT, "FAILING_CALLS", str(cowherd.directory / "calls"))
        cowherd.configure(workers=2)
        cowherd.app(APP)
        cowherd.start(ready=False)
    cowherd.wait_ready()
    return calls


# -- what is asked of it


def reload(herd):
    return herd.reload()


def hang_up(herd):
    herd.signal(signal.SIGHUP)
    return herd.command("status")


def reload_what_is_no_configuration(herd):
    text = herd.file.read_text()
    herd.file.write_text(text + "nonsense: [\n")
    result = herd.reload()
    herd.file.write_text(text)
    assert result.returncode != 0
    return result


def reload_what_fails(herd):
    path = herd.directory / "apps" / "web0" / "config.ru"
    path.write_text("raise 'on purpose'\n")
    result = herd.reload()
    path.write_text(APP)
    assert result.returncode != 0
    return result


def scale(herd):
    herd.command("scale", "web", "3")
    return herd.command("scale", "web", "2")


def send_a_worker_away(herd):
    status = herd.try_status()
    pids = [worker["pid"] for worker in status["pools"][0]["workers"] if worker["pid"]] if status else []
    for pid in pids[:1]:
        os.kill(pid, signal.SIGTERM)
    return herd.command("status")


def others(*line):
    def act(herd):
        return herd.command(*line)

    act.__name__ = " ".join(line)
    return act


ACTS = [
    reload,
    hang_up,
    reload_what_is_no_configuration,
    reload_what_fails,
    scale,
    send_a_worker_away,
    others("status", "--json"),
    others("memory"),
    others("reopen"),
]


# -- and what is left


class Rest:
    """What the supervisor has when nothing is to be done: (blocks of malloc, descriptors)."""

    def __init__(self, herd, calls):
        self.herd, self.calls = herd, calls
        for act in ACTS * 2:
            act(herd)
            self._reload()
        self.kept = settled(self._now)

    def _now(self):
        return self.calls.blocks, descriptors(self.herd.process.pid)

    def _reload(self):
        """Without faults."""
        herd = self.herd
        assert herd.reload().returncode == 0
        herd.wait_until(lambda: len(herd.pool()["generations"]) == 1 and len(herd.worker_pids()) == 2, what=herd.pool)
        herd.wait_ready()

    def wait(self, what):
        self._reload()
        wait_until(lambda: self._now() == self.kept,
                   what=lambda: "after %s: %s (blocks, descriptors), %s before" % (what, self._now(), self.kept))


def rounds_of(rest, herd, calls, rng, count):
    """[(act, how many calls come before the one that fails, how many fail)]: each act as often as it has calls."""
    cases = []
    for act in ACTS:
        before = calls.calls
        act(herd)
        cases += [(act, first, rng.choice([1, 1, 1, 4])) for first in range(calls.calls - before)]
        rest.wait(act.__name__)
    rng.shuffle(cases)
    return cases[:count]


@plain_memory
def test_1000_failing_calls(cowherd, calls, rng, times, tell):
    cowherd.deaths_expected = True
    rest = Rest(cowherd, calls)
    failed = refused = closed = 0
    for act, first, count in rounds_of(rest, cowherd, calls, rng, times(1000, quick=25)):
        before = calls.failed
        with calls.failing(first, count):
            result = act(cowherd)
        refused += result.returncode != 0
        closed += "without an answer" in result.stderr
        failed += calls.failed - before
        rest.wait("%s with %d failing calls after %d" % (act.__name__, count, first))
        assert cowherd.request().status == 200
    assert failed > 0
    assert len(cowherd.log_lines("control: a client can't be served: Cannot allocate memory")) >= closed
    tell("%d calls failed, %d commands refused and %d closed, at rest %d blocks of %d bytes and %d descriptors"
         % (failed, refused - closed, closed, rest.kept[0], calls.bytes, rest.kept[1]))  # fmt: skip
