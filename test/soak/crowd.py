"""Who uses the farm, well and badly; every good answer is known beforehand."""

import contextlib
import hashlib
import os
import random
import threading
import time
from collections import Counter

import fastcgi
import farm
from clients import Clients, draw
from fastcgi import record
from test_hostile import HEAD, MALFORMED
from test_status_socket import parse_metrics

PAUSE = 0.05


class Script:
    """A file that is edited while it is asked for: right is what a version answers that was there meanwhile."""

    def __init__(self, path):
        self.path = path
        self.written = self.writing = 1

    def edit(self):
        self.writing += 1
        beside = self.path.with_suffix(".new")
        beside.write_text(farm.edited(self.writing))
        os.replace(beside, self.path)
        self.written = self.writing

    def draw(self, rng):
        oldest = self.written

        def is_right(body):
            word, _, version = body.partition(b" ")
            return word == b"version" and oldest <= int(version) <= self.writing

        return {"uri": "/edited.rb"}, is_right


class Counts:
    """Adds to the store, and is refused by the access hook: the books of both are compared at the end."""

    def __init__(self):
        self._lock = threading.Lock()
        self.added = self.refused = 0

    def draw(self, rng):
        refused = rng.random() < 0.1
        with self._lock:
            self.added += not refused
            self.refused += refused
        return ({"uri": "/private"}, 403) if refused else ({"uri": "/add"}, lambda body: int(body) > 0)


def draw_get(rng):
    """nginx sends no POST a second time when the connection that it kept was closed under it."""
    while True:
        about, expected = draw(rng)
        if about.get("method") != "POST":
            return about, expected


def draw_record(rng):
    number = rng.randrange(4000)
    return {"uri": "/?%d" % number}, b"record %d one,two,%d" % (number, number)


def draw_cached(rng):
    number = rng.randrange(1 << 30)
    return {"uri": "/?%d" % number}, b"cached %d" % number


def draw_file(rng):
    kind = rng.random()
    if kind < 0.3:
        body = rng.randbytes(rng.choice([0, 1000, 70_000, 2_000_000]))
        return {"method": "POST", "uri": "/upload", "body": body}, hashlib.sha256(body).hexdigest().encode()
    if kind < 0.6:
        seed, count = rng.randrange(1 << 20), rng.choice([0, 1, 10, 100])
        expected = b"".join(b"%d:%d;" % (seed, n) * 2048 for n in range(count))
        return {"uri": "/download?%d,%d" % (seed, count)}, expected
    return ({"uri": "/grow"}, b"kept") if kind < 0.95 else ({"uri": "/slow"}, b"slow")


def draw_bad(rng):
    path, status = rng.choice([("/raise", 500), ("/raise", 500), ("/loop", 504), ("/power", 504), ("/exit", 500)])
    return {"uri": "%s?%d" % (path, rng.randrange(1 << 40))}, status


class Thread:
    """Does `step` again and again until the end of the context."""

    def __init__(self, step, *arguments):
        self._step, self._arguments = step, arguments
        self.stop = threading.Event()
        self.error = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *unused):
        self.stop.set()
        self._thread.join(60)
        assert not self._thread.is_alive(), "%s hangs" % self._step

    def _run(self):
        try:
            while not self.stop.is_set():
                self._step(*self._arguments)
        except Exception as error:
            self.error = error


class Hostile:
    """Clients that keep to no rule. What becomes of them is theirs to bear; nobody else may notice."""

    def __init__(self, herd, rng, pool):
        self.herd, self.rng, self.pool = herd, rng, pool
        self.shapes = list(MALFORMED.values())
        self.attempts = Counter()
        self.kinds = [self.malformed, self.mutated, self.leave, self.trickle, self.linger, self.slow_reader]

    def step(self):
        kind = self.rng.choice(self.kinds)
        self.attempts[kind.__name__] += 1
        with contextlib.suppress(OSError):
            kind()
        time.sleep(self.rng.uniform(0, 0.1))

    def until_closed(self, *pieces):
        with self.herd.connect(self.pool) as connection:
            connection.try_send(*pieces)
            with contextlib.suppress(OSError):
                connection.shutdown_write()
            connection.wait_closed()

    def whole(self):
        body = self.rng.randbytes(self.rng.choice([0, 300, 100_000]))
        head = fastcgi.head(uri="/echo", method="POST", body_length=len(body), host=self.host())
        return head + fastcgi.stream(fastcgi.STDIN, body)

    def host(self):
        return {"web": "good.test", "scripts": "cached.test", "bad": "healthy.test"}[self.pool]

    def malformed(self):
        self.until_closed(self.rng.choice(self.shapes))

    def mutated(self):
        message = bytearray(self.whole())
        for _ in range(self.rng.choice([1, 1, 5, 50])):
            message[self.rng.randrange(min(len(message), 2000))] = self.rng.randrange(256)
        self.until_closed(bytes(message))

    def leave(self):
        """In the middle of whatever it is."""
        message = self.whole()
        with self.herd.connect(self.pool) as connection:
            connection.try_send(message[: self.rng.randrange(len(message))])
            if self.rng.random() < 0.5:
                connection.reset()

    def trickle(self):
        """A byte at a time, until it has had enough or cowherd has."""
        message = self.whole()
        with self.herd.connect(self.pool) as connection:
            for at in range(self.rng.randrange(1, 40)):
                if not connection.try_send(message[at : at + 1]):
                    break
                time.sleep(0.1)

    def linger(self):
        """A few that say nothing, or only the beginning."""
        with contextlib.ExitStack() as stack:
            for _ in range(20):
                connection = stack.enter_context(self.herd.connect(self.pool))
                connection.try_send(HEAD[: self.rng.choice([0, 3, 20])])
            time.sleep(self.rng.uniform(0, 3))

    def slow_reader(self):
        """Takes a little of a long answer, and leaves."""
        with self.herd.connect(self.pool) as connection:
            uri = "/pattern?%d,3000000" % self.rng.randrange(1000)
            connection.try_send(fastcgi.head(uri=uri, host=self.host()) + record(fastcgi.STDIN))
            time.sleep(self.rng.uniform(0, 1))


class Crowd:
    """All of them, for the time of a context. `groups`: those that every answer is checked of, by what they are."""

    def __init__(self, herd, fronts, seed):
        self.herd = herd
        rng = random.Random(seed)
        self.rng = rng
        self.script = Script(herd.directory / "apps/fresh.test/edited.rb")
        self.counts = Counts()
        plain, kept = fronts

        def clients(**about):
            return Clients(herd, rng, **{"threads": 2, "pause": PAUSE, "draw": draw, **about})

        self.groups = {
            "new connections": clients(host="good.test"),
            "kept connections": clients(host="good.test", keep=True),
            "nginx": clients(host="good.test", port=plain.port),
            "nginx, keep-conn on": clients(host="good.test", port=kept.port, draw=draw_get),
            "a shared interpreter, one app": clients(host="one.test", keep=True, draw=draw_record, threads=1),
            "a shared interpreter, the other": clients(host="two.test", port=plain.port, draw=draw_record, threads=1),
            "store and hooks": clients(host="store.test", draw=self.counts.draw),
            "scripts, cached": clients(host="cached.test", pool="scripts", keep=True, draw=draw_cached),
            "scripts, edited": clients(host="fresh.test", pool="scripts", draw=self.script.draw),
            "scripts, edited, nginx": clients(host="fresh.test", port=kept.port, draw=self.script.draw, threads=1),
            "files": clients(host="files.test", pool="files", draw=draw_file, threads=1, pause=0.3),
            "files, nginx": clients(host="files.test", port=plain.port, draw=draw_file, threads=1, pause=0.3),
            "beside bad requests": clients(host="healthy.test", pool="bad", threads=4),
            "bad requests": clients(host="bad.test", pool="bad", draw=draw_bad, pause=1.5),
        }  # fmt: skip
        self.bursts = Counter()
        self.burst_failures = []
        self.hostile = [Hostile(herd, random.Random(rng.random()), pool) for pool in ("web", "scripts", "bad")]
        self.statuses = 0
        self.threads = [
            Thread(self.edit), Thread(self.burst), Thread(self.ask_status), *(Thread(one.step) for one in self.hostile)
        ]  # fmt: skip

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        for one in [*self.groups.values(), *self.threads]:
            self._stack.enter_context(one)
        return self

    def __exit__(self, *error):
        self._stack.close()

    def edit(self):
        time.sleep(1)
        self.script.edit()

    def burst(self):
        """The pool with bounds has to grow, and to shrink again."""
        rng = random.Random(self.rng.random())
        with Clients(self.herd, rng, threads=6, pool="files", host="files.test", draw=draw_file, pause=0.05) as clients:
            time.sleep(4)
        self.bursts.update(clients.outcomes)
        self.burst_failures += clients.failures
        self.threads[1].stop.wait(15)

    def ask_status(self):
        address = self.herd.settings["status"]["listen"]
        parse_metrics(fastcgi.request(address, uri="/metrics", headers={"Accept": "application/openmetrics-text"}).text)
        assert fastcgi.request(address, uri="/status?json").status == 200
        self.statuses += 1
        self.threads[2].stop.wait(5)

    # -- how it goes

    @property
    def answered(self):
        return sum(clients.answered for clients in self.groups.values()) + self.bursts["answered"]

    @property
    def failures(self):
        """(who, outcome, detail, uri) of each request that did not get what it had to."""
        of_groups = [(name, *failure) for name, clients in self.groups.items() for failure in clients.failures]
        return of_groups + [("bursts", *failure) for failure in self.burst_failures]

    @property
    def broken_threads(self):
        return [thread.error for thread in self.threads if thread.error]
