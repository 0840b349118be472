"""The ledger under chaos: what the clients saw, what the apps saw and what the books say have to agree.

Workers are killed from outside, crash, run into their time-outs, are recycled and reloaded, while clients count. Then
every accepted request stands in one column, and every failure that a client saw in the right one. COWHERD_TEST_SEED
repeats a run; COWHERD_LEDGER_SECONDS makes it longer.
"""

import os
import random
import signal
import threading
import time

import fastcgi
from herd import PATIENCE

SECONDS = float(os.environ.get("COWHERD_LEDGER_SECONDS", "6"))
CLIENTS = 4

# Each request writes its name down first, so that what was begun is known without the ledger.
APP = """
class Streamed
  def initialize(rounds)
    @rounds = rounds
  end

  def each
    @rounds.times { |i| yield "part #{i} " * 500 }
  end
end

run ->(env) {
  File.open("%s", "a") { |f| f.syswrite(env["HTTP_NAME"] + "\\n") }
  case env["PATH_INFO"]
  when "/raise" then raise "wrong"
  when "/late" then loop { }
  when "/stuck" then 7 ** 40_000_000
  when "/crash"
    deep = []
    3_000_000.times { deep = [deep] }
    deep.flatten
  when "/stream" then next [200, {}, Streamed.new(40)]
  when "/work" then 20_000.times { |i| i * i }
  end
  [200, {}, [env["HTTP_NAME"]]]
}
"""

STREAMED = b"".join(b"part %d " % i * 500 for i in range(40))

# A path, how often it is asked for, and what its answer may be.
KINDS = [
    ("/fast", 60, 200),
    ("/work", 24, 200),
    ("/stream", 12, 200),
    ("/raise", 6, 500),
    ("/late", 2, 504),
    ("/stuck", 0.3, 504),
    ("/crash", 0.3, 500),
]


class Counts:
    """What one client saw, request by request: names in sets by outcome."""

    def __init__(self):
        self.whole, self.errors, self.cut, self.silent, self.left, self.odd = set(), set(), set(), set(), set(), []

    def all(self):
        return self.whole | self.errors | self.cut | self.silent | self.left


def one(herd, chance, name, keep, client):
    """The outcome of one request, by the name of the set."""
    path, _, status = chance.choices(KINDS, [weight for _, weight, _ in KINDS])[0]
    if chance.random() < 0.02:
        with herd.connect() as connection:
            response = None
            try:
                response = connection.start(uri="/stream", headers={"name": name})
                connection.read_until(response, lambda r: r.size > 0)
            except (fastcgi.ConnectionClosed, ConnectionResetError, BrokenPipeError):
                return "cut" if response and response.started else "silent"
        return "errors" if response.status >= 500 else "left"
    try:
        if keep:
            response = client.request(uri=path, headers={"name": name})
        else:
            response = herd.request(path, headers={"name": name})
    except (fastcgi.ConnectionClosed, ConnectionResetError, BrokenPipeError) as error:
        response = getattr(error, "response", None)
        return "cut" if response is not None and response.started else "silent"
    assert response.status in (status, 500, 503, 504), response
    if response.status >= 500:
        return "errors"
    assert response.body == (STREAMED if path == "/stream" else name.encode()), "%s: %r" % (path, response)
    return "whole"


def run_client(herd, number, seed, keep, counts, stop):
    chance = random.Random(seed * 100 + number)
    client = RetriedByName(herd) if keep else None
    serial = 0
    while not stop.is_set():
        serial += 1
        name = "%d-%d" % (number, serial)
        try:
            outcome = one(herd, chance, name, keep, client)
            getattr(counts, outcome).add(name)
        except Exception as error:  # whatever else it is, the test shows it
            counts.odd.append("%s: %r" % (name, error))
    if client:
        client.close()


class RetriedByName:
    """A kept connection; one that was closed gives way to a new one, and the request is not sent again."""

    def __init__(self, herd):
        self.herd, self.connection = herd, None

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def request(self, **about):
        # (What the server has closed while it idled is known before the request leaves, but for a moment.)
        if self.connection and not self.connection.is_open():
            self.close()
        if not self.connection:
            self.connection = self.herd.connect()
        try:
            return self.connection.request(keep=True, **about)
        except BaseException:
            self.close()
            raise


def disturb(herd, chance, until):
    """Kills, crashes and reloads at random until then; how many workers it has killed, in vain or not."""
    killed = 0
    while time.monotonic() < until:
        what = chance.random()
        if what < 0.8:
            workers = [worker for worker in herd.workers() if worker["pid"] > 0]  # (0: not forked yet)
            if workers:
                victim = chance.choice(workers)["pid"]
                number = chance.choice([signal.SIGKILL, signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT])
                try:
                    os.kill(victim, number)
                    killed += 1
                except ProcessLookupError:
                    pass
        elif what < 0.9:
            herd.signal(signal.SIGHUP)
        time.sleep(chance.uniform(0, 0.15))  # (the gap is what is random, nothing is waited for)
    return killed


def test_the_ledger_agrees_with_clients_and_apps(cowherd):
    seed = int(os.environ.get("COWHERD_TEST_SEED") or random.SystemRandom().randrange(1 << 30))
    print("COWHERD_TEST_SEED=%d" % seed)
    chance = random.Random(seed)
    begun_file = cowherd.directory / "begun"
    begun_file.touch()
    begun_file.chmod(0o666)
    cowherd.deaths_expected = True
    cowherd.configure(
        workers=3,
        timeouts={"request": "300ms", "hard": "1s"},
        recycle={"requests": 150},
        restart={"drain_timeout": "10s"},
    )
    cowherd.app(APP % begun_file)
    cowherd.start()

    stop = threading.Event()
    seen = [Counts() for _ in range(CLIENTS)]
    threads = [
        threading.Thread(target=run_client, args=(cowherd, i, seed, i % 2 == 1, seen[i], stop), daemon=True)
        for i in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    killed = disturb(cowherd, chance, time.monotonic() + SECONDS)
    stop.set()
    for thread in threads:
        thread.join(2 * PATIENCE)
    assert not any(thread.is_alive() for thread in threads), "a client hangs"

    cowherd.wait_ready()
    ledger = cowherd.wait_ledger()  # when nothing is in hand, and all that died has been buried
    begun = begun_file.read_text().split()
    assert len(begun) == len(set(begun)), "a request came to the app twice"
    begun = set(begun)
    total = Counts()
    for counts in seen:
        for kind in ("whole", "errors", "cut", "silent", "left"):
            getattr(total, kind).update(getattr(counts, kind))
        total.odd += counts.odd
    figures = {kind: len(getattr(total, kind)) for kind in ("whole", "errors", "cut", "silent", "left")}
    said = "seed %d: clients %s, begun %d, ledger %s, killed %d" % (seed, figures, len(begun), ledger, killed)
    print(said)
    assert not total.odd, total.odd
    assert len(total.whole) > 50, said

    # Nobody's request is unknown, and nobody had an answer that no app has made.
    assert begun <= total.all(), said
    assert total.whole <= begun, said
    # Those beyond the ledger had a connection whose head the dead worker had not read: a front end sends them again.
    asked = sum(figures.values())
    beyond = asked - ledger["accepted"]
    unheard = total.silent - begun
    assert 0 <= beyond <= len(unheard), said

    # A worker that is killed between its last byte and its entry into the ledger, or after its client has left, takes
    # an answer to the grave that was none lost: at most one for each death.
    deaths = len(cowherd.log_lines(" ended: signal "))
    broken = figures["cut"] + len(total.silent & begun)
    errors_slipped = figures["errors"] - ledger["error_answered"]
    others_slipped = figures["whole"] + figures["left"] - ledger["completed"] - ledger["client_gone"]
    assert errors_slipped >= 0 and others_slipped >= 0 and errors_slipped + others_slipped <= deaths, said
    assert ledger["client_gone"] <= figures["left"], said
    assert ledger["completed"] <= figures["whole"] + figures["left"], said

    # Every other failure that was seen after the app had begun is a lost one, and none is lost unseen.
    in_the_gap = len(unheard) - beyond
    assert ledger["lost"] == broken + in_the_gap + errors_slipped + others_slipped, said
    assert ledger["lost"] <= deaths, said
