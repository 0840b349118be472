"""Clients in parallel that know every byte they must get, and count every other outcome."""

import contextlib
import http.client
import random
import threading
import time
from collections import Counter

import fastcgi
from herd import PATIENCE, wait_until

# /pattern?SEED,SIZE answers SIZE bytes that follow from SEED; anything else is echoed, with the path in front of it.
APP = """
PATTERN = (0...1000).map { |n| (65 + n %% 26).chr }.join
run ->(env) do
  if env["PATH_INFO"] == "/pattern"
    seed, size = env["QUERY_STRING"].split(",").map { |text| text.to_i }
    line = "#{seed}:" + PATTERN
    text = line * (size / line.size + 1)
    [200, {"content-type" => "text/plain", "x-generation" => "%s"}, [text[0, size]]]
  else
    [200, {"x-generation" => "%s"}, [env["PATH_INFO"], "\\n", env["rack.input"].read]]
  end
end
"""
LINE = "".join(chr(65 + n % 26) for n in range(1000))


def app(generation=1):
    return APP % (generation, generation)


def pattern(seed, size):
    line = "%d:%s" % (seed, LINE)
    return (line * (size // len(line) + 1))[:size].encode()


def draw(rng):
    """A request and what its answer has to be: the body, what says so of the body, or another status than 200."""
    if rng.random() < 0.25:
        uri, body = "/echo/%d" % rng.randrange(1 << 30), rng.randbytes(rng.choice([0, 1, 1000, 70_000]))
        return {"method": "POST", "uri": uri, "body": body}, uri.encode() + b"\n" + body
    seed, size = rng.randrange(1 << 30), rng.choice([0, 1, 100, 5000, 5000, 70_000])
    return {"uri": "/pattern?%d,%d" % (seed, size)}, pattern(seed, size)


class HttpAnswer:
    def __init__(self, response):
        self.status, self.body = response.status, response.read()


class Clients:
    """`outcomes` counts "answered" (200 and every byte right), "error N" (a whole answer with another status), "closed"
    (not a byte came), "cut" (some did), "refused" (no connection) and "wrong" (bytes that are not the right ones);
    `failures` says more of each that is not "answered". With `port`, by HTTP. Between two requests of a client lie up to
    `pause` seconds."""

    def __init__(
        self, herd, rng, threads=4, keep=False, port=None, host="localhost", pool="web", draw=draw, pause=0.0
    ):
        self.herd, self.keep, self.port, self.host, self.pool = herd, keep, port, host, pool
        self._draw, self._pause = draw, pause
        self.outcomes, self.failures, self.longest = Counter(), [], 0.0
        self.retries = 0
        self._finished = [0] * threads  # requests, by thread
        self._lock, self._stop, self._go = threading.Lock(), threading.Event(), threading.Event()
        self._go.set()
        self._turns = [threading.Lock() for _ in range(threads)]  # held while a request of that thread is on its way
        seeds = [rng.randrange(1 << 60) for _ in range(threads)]
        self._threads = [
            threading.Thread(target=self._run, args=(number, seed), daemon=True) for number, seed in enumerate(seeds)
        ]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *unused):
        self._stop.set()
        for thread in self._threads:
            thread.join(3 * PATIENCE)
        assert not any(thread.is_alive() for thread in self._threads), "a client hangs"

    @property
    def answered(self):
        return self.outcomes["answered"]

    @property
    def failed(self):
        with self._lock:  # both figures of the same moment
            return sum(self.outcomes.values()) - self.answered

    def wait_answers(self, count):
        target = self.answered + count
        wait_until(lambda: self.answered >= target, what=lambda: "%d answers: %s" % (target, self.failures[-5:]))

    def wait_round(self):
        """Until whatever is on its way now has ended."""
        target = [finished + 1 for finished in self._finished]
        wait_until(
            lambda: all(now >= then for now, then in zip(self._finished, target)), what=lambda: self.failures[-5:]
        )

    @contextlib.contextmanager
    def quiet(self):
        """Nobody has anything on its way."""
        self._go.clear()
        try:
            with contextlib.ExitStack() as held:
                for turn in self._turns:
                    held.enter_context(turn)
                yield
        finally:
            self._go.set()

    def _run(self, number, seed):
        rng = random.Random(seed)
        client = self.herd.client(self.pool)
        while not self._stop.is_set():
            self._go.wait()
            with self._turns[number]:
                outcome = self._one(number, client, *self._draw(rng))
            if self._pause:
                self._stop.wait(rng.uniform(0, self._pause))
            if outcome == "refused":
                self._stop.wait(0.01)  # nobody there: the others are to have the processor
        with self._lock:
            self.retries += client.retries
        client.close()

    def _one(self, number, client, about, expected):
        started = time.monotonic()
        outcome, detail = self._outcome(client, about, expected)
        with self._lock:
            self.outcomes[outcome] += 1
            self._finished[number] += 1
            self.longest = max(self.longest, time.monotonic() - started)
            if outcome != "answered":
                self.failures.append((outcome, detail, about["uri"]))
        return outcome

    def _outcome(self, client, about, expected):
        try:
            response = self._send(client, about)
        except (ConnectionRefusedError, FileNotFoundError) as error:
            return "refused", error
        except fastcgi.ConnectionClosed as error:
            return ("cut" if error.response is not None and error.response.started else "closed"), error
        except (ConnectionResetError, BrokenPipeError, http.client.RemoteDisconnected) as error:
            return "closed", error
        except Exception as error:
            return "cut", error
        if isinstance(expected, int):
            return ("answered" if response.status == expected else "error %d" % response.status), None
        if response.status != 200:
            return "error %d" % response.status, None
        right = expected(response.body) if callable(expected) else response.body == expected
        return ("answered", None) if right else ("wrong", "%d bytes" % len(response.body))

    def _send(self, client, about):
        if self.port:
            return self._send_http(about["uri"], about.get("method", "GET"), about.get("body"))
        if self.keep:
            return client.request(host=self.host, **about)
        return self._send_once(**about)

    def _send_once(self, body=b"", **about):
        """As front ends do it, the whole request is ready before the connection is, and follows it at once."""
        head = fastcgi.head(host=self.host, body_length=len(body) or None, **about)
        request = head + fastcgi.stream(fastcgi.STDIN, body)
        with self.herd.connect(self.pool) as connection:
            with contextlib.suppress(ConnectionError):  # an answer may have come before that
                sent = connection.socket.send(request)
                if sent < len(request):
                    connection.send(request[sent:])
            return connection.read_response(fastcgi.Response())

    def _send_http(self, uri, method, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, uri, body=body, headers={"Host": self.host})
            return HttpAnswer(connection.getresponse())
        finally:
            connection.close()
