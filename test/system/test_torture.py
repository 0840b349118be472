"""A FastCGI client that keeps to nothing: every malformed shape in every place, and crowds that take all they can get.
Whoever keeps to the rules is served meanwhile.

`make hostile` runs the long form (COWHERD_HOSTILE=1) and prints what was measured.
"""

import contextlib
import os
import random
import resource
import socket
import statistics
import threading
import time

import pytest

import fastcgi
from fastcgi import record
from herd import Herd, plain_memory, wait_until

LONG = os.environ.get("COWHERD_HOSTILE") == "1"
SEED = int(os.environ.get("COWHERD_HOSTILE_SEED") or (time.time_ns() % 1000000 if LONG else 1))
IDLE = 10000
SPARE = 200  # descriptors of the test itself

APP = """
class Long
  def each
    256.times { yield "x" * 65536 }
  end
end
run ->(env) {
  case env["PATH_INFO"]
  when "/read" then [200, {}, [env["rack.input"].read.bytesize.to_s]]
  when "/stream"
    total = 0
    while (chunk = env["rack.input"].read(1000))
      total += chunk.bytesize
    end
    [200, {}, [total.to_s]]
  when "/long" then [200, {}, Long.new]
  when "/some" then [200, {}, ["x" * 50000]]
  when "/crash" then exit!
  when "/raise" then raise "as asked"
  when "/loop" then loop { }
  when "/stuck" then 7 ** 40_000_000
  else [200, {}, ["fine"]]
  end
}
"""

GET = fastcgi.head() + record(fastcgi.STDIN)
POST = fastcgi.head(uri="/read", method="POST", body_length=300) + fastcgi.stream(fastcgi.STDIN, b"x" * 300, piece=100)
PADDED = (
    record(fastcgi.BEGIN_REQUEST, 1, b"\0\1\0\0\0\0\0\0", padding=5)
    + record(fastcgi.PARAMS, 1, fastcgi.pairs(fastcgi.cgi_params(uri="/read", method="POST")), padding=255)
    + record(fastcgi.PARAMS, 1, padding=1)
    + record(fastcgi.STDIN, 1, b"abc", padding=7)
    + record(fastcgi.STDIN, 1, padding=8)
)
ASKED = record(fastcgi.GET_VALUES, 0, fastcgi.pair("FCGI_MAX_CONNS", ""), padding=3) + GET


def measured(text, *values):
    print("\n    measured: " + text % values, flush=True)


@pytest.fixture(scope="module")
def herd():
    herd = Herd()
    herd.app(APP)
    herd.configure(timeouts={"header": "60s", "body": "60s", "idle": "60s"})
    herd.start()
    yield herd
    herd.finish()


def latencies(herd, count):
    times = []
    for _ in range(count):
        started = time.monotonic()
        assert herd.request().body == b"fine"
        times.append(time.monotonic() - started)
    return sorted(times)


def report(what, times):
    measured(
        "%s: %d others served, median %.1f ms, slowest %.1f ms", what, len(times), statistics.median(times) * 1e3,
        times[-1] * 1e3,
    )  # fmt: skip


# -- every shape


MESSAGES = {"get": (GET, b"fine"), "post": (POST, b"300"), "padded": (PADDED, b"3"), "get-values": (ASKED, b"fine")}


@pytest.mark.parametrize("name", MESSAGES)
def test_records_split_at_every_byte(herd, name):
    """The first part of each, then others, so that it has been looked at, then the rest."""
    message, answer = MESSAGES[name]
    step = 1 if LONG else 3
    with herd.unharmed(), contextlib.ExitStack() as stack:
        crowd = [(at, stack.enter_context(herd.connect())) for at in range(1, len(message), step)]
        for at, connection in crowd:
            connection.send(message[:at])
        latencies(herd, 4)
        for at, connection in crowd:
            connection.send(message[at:])
        for at, connection in crowd:
            records = connection.wait_closed()
            body = b"".join(item.content for item in records if item.type == fastcgi.STDOUT)
            assert body.endswith(b"\r\n\r\n" + answer), "split at %d: %r" % (at, records)


def boundaries(message):
    at, found = 0, [0]
    while at < len(message):
        length, padding = int.from_bytes(message[at + 4 : at + 6], "big"), message[at + 6]
        at += 8 + length + padding
        found.append(at)
    return found


def answer_or_end(connection):
    """What comes until an END_REQUEST or the end; the connection may be kept or closed."""
    while True:
        try:
            item = connection.receive_record()
        except (ConnectionResetError, BrokenPipeError):
            return None
        if item is None or item.type == fastcgi.END_REQUEST:
            return item


@pytest.mark.parametrize("request_id", [0, 1, 2])
def test_an_abort_at_every_moment(herd, request_id):
    params = fastcgi.pairs(fastcgi.cgi_params(uri="/read", method="POST", body_length=300))
    whole = (
        fastcgi.begin(keep=True)
        + fastcgi.stream(fastcgi.PARAMS, params, piece=100)
        + fastcgi.stream(fastcgi.STDIN, b"x" * 300, piece=100)
    )
    with herd.unharmed():
        for at in boundaries(whole):
            for rest in (whole[at:], b"") if at < len(whole) else (b"",):
                with herd.connect() as connection:
                    connection.send(whole[:at] + record(fastcgi.ABORT_REQUEST, request_id))
                    connection.try_send(rest)
                    connection.shutdown_write()
                    answer_or_end(connection)
                    assert connection.wait_closed() is not None


def test_get_values_of_every_kind(herd):
    known = [b"FCGI_MAX_CONNS", b"FCGI_MAX_REQS", b"FCGI_MPXS_CONNS"]
    asked = [
        [],
        [(b"", b"")],
        *([(name, b"")] for name in known),
        [(name, b"a value") for name in known],
        [(name, b"") for name in known * 20],
        [(b"FCGI_MAX_CONN", b""), (b"FCGI_MAX_CONNSS", b""), (b"fcgi_max_conns", b"")],
        [(b"x" * 1000, b"y" * 1000), (known[0], b"")],
        [(b"a\0b=c", b"\0"), (known[2], b"")],
    ]
    with herd.unharmed(), herd.connect() as connection:
        for names in asked:
            for padding in (0, 1, 8, 255):
                connection.send(record(fastcgi.GET_VALUES, 0, fastcgi.pairs(names), padding=padding))
                item = connection.receive_record()
                assert (item.type, item.request_id) == (fastcgi.GET_VALUES_RESULT, 0)
                answered = [name for name, _ in fastcgi.parse_pairs(item.content)]
                assert sorted(answered) == sorted({name for name, _ in names} & set(known)), names
            assert connection.request(keep=True).body == b"fine"


def shapes(source):
    """A record of every type for every id, honest or not about its length, as the first one and inside a request."""
    before = {
        "first": b"",
        "after BEGIN": fastcgi.begin(),
        "in PARAMS": fastcgi.begin() + record(fastcgi.PARAMS, 1, fastcgi.pairs(fastcgi.cgi_params())[:40]),
        "in the body": fastcgi.head(uri="/read", method="POST") + record(fastcgi.STDIN, 1, b"abc"),
        "in a large body": fastcgi.head(uri="/stream", method="POST", body_length=200000),
        "behind a request": fastcgi.head(keep=True) + record(fastcgi.STDIN),
    }
    types = list(range(256)) if LONG else [*range(13), 127, 255]
    lies = [(0, {}), (8, {}), (300, {}), (5, {"content_length": 65535}), (5, {"padding_length": 255})]
    for place, start in before.items():
        for kind in types:
            for request_id in (0, 1, 2, 65535):
                for size, lie in lies if LONG else [source.choice(lies)]:
                    for version in (1, source.choice([0, 2, 255])) if LONG else (1,):
                        content = source.randbytes(size)
                        yield place, start + record(kind, request_id, content, version=version, **lie)


def test_every_malformed_shape_in_every_place(herd):
    count = 0
    with herd.unharmed():
        for place, message in shapes(random.Random(SEED)):
            with herd.connect() as connection:
                connection.try_send(message)
                with contextlib.suppress(OSError):
                    connection.shutdown_write()
                records = connection.wait_closed()
            for item in records:
                assert item.version == 1 and item.type in (3, 6, 7, 10, 11), (place, message, item)
            count += 1
    measured("%d shapes (seed %d), each connection closed", count, SEED)


# -- crowds


def trickle(connections, rests, stop):
    """To each connection byte by byte, until there is no more; the last byte is kept back."""
    at = 0
    while not stop.is_set():
        for connection, rest in zip(connections, rests):
            if at < len(rest) - 1:
                with contextlib.suppress(OSError):
                    connection.socket.send(rest[at : at + 1])
        at += 1
        stop.wait(0.005)


def test_slow_senders_in_head_params_and_body(herd):
    crowd_size = 300 if LONG else 100
    message = fastcgi.head(uri="/read", method="POST", body_length=1000) + fastcgi.stream(fastcgi.STDIN, b"x" * 1000)
    starts = [0, 8, 20, 120, len(message) - 1008 - 4, len(message) - 900]
    before = latencies(herd, 100)
    with herd.unharmed(), contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(herd.connect()) for _ in range(crowd_size)]
        rests = [message[starts[i % len(starts)] :] for i in range(crowd_size)]
        for i, connection in enumerate(crowd):
            connection.send(message[: starts[i % len(starts)]])
        stop = threading.Event()
        thread = threading.Thread(target=trickle, args=(crowd, rests, stop))
        thread.start()
        try:
            during = latencies(herd, 1000 if LONG else 100)
        finally:
            stop.set()
            thread.join()
    report("alone", before)
    report("with %d slow senders" % crowd_size, during)


def descriptors_for(count):
    """Raises the limit for the test and what it starts, or skips it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= count:
        return
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip("takes %d descriptors; the hard limit (RLIMIT_NOFILE) is %d" % (count, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


@plain_memory
def test_ten_thousand_idle_connections(cowherd):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    descriptors_for(IDLE + SPARE)
    try:
        cowherd.app(APP)
        cowherd.configure(timeouts={"header": "5m", "idle": "5m"}, rlimits={"nofile": IDLE + SPARE})
        cowherd.start()
        before = latencies(cowherd, 100)
        private = max(worker["memory"]["private"] for worker in cowherd.workers())
        with cowherd.unharmed(), contextlib.ExitStack() as stack:
            crowd = []
            for i in range(IDLE):
                crowd.append(stack.enter_context(cowherd.connect()))
                if i % 3 == 0:
                    crowd[-1].send(fastcgi.head(keep=True), record(fastcgi.STDIN))  # which is then kept
                elif i % 3 == 1:
                    crowd[-1].send(GET[: i % len(GET)])
            for kept in crowd[::3]:
                assert kept.read_response(fastcgi.Response()).body == b"fine"
            during = latencies(cowherd, 1000 if LONG else 100)
            grown = max(worker["memory"]["private"] for worker in cowherd.workers()) - private
            for kept in crowd[:: 3 if LONG else 30]:
                assert kept.request(keep=True).body == b"fine", "each is served again"
        report("alone", before)
        report("with %d idle connections" % IDLE, during)
        measured("a worker has grown by %d kB", grown // 1024)
        assert cowherd.ledger()["lost"] == 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def flood(address, stop, counts):
    while not stop.is_set():
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
            client.setblocking(False)
            try:
                client.connect(address)
                counts["connected"] += 1
            except OSError:
                counts["refused"] += 1
                stop.wait(0.001)


def test_a_flood_of_connects(herd):
    counts = {"connected": 0, "refused": 0}
    stop = threading.Event()
    threads = [threading.Thread(target=flood, args=(str(herd.address()), stop, counts)) for _ in range(2)]
    with herd.unharmed():
        for thread in threads:
            thread.start()
        try:
            during = latencies(herd, 2000 if LONG else 100)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    report("with %d connects that said nothing (%d refused)" % (counts["connected"], counts["refused"]), during)
    assert counts["connected"] > 100


def test_descriptors_run_out_in_the_workers(cowherd):
    cowherd.app(APP)
    cowherd.configure(rlimits={"nofile": 64}, timeouts={"header": "500ms", "idle": "500ms"})
    cowherd.start()
    with cowherd.unharmed(), contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(cowherd.connect()) for _ in range(500 if LONG else 200)]
        for connection in crowd[::2]:
            connection.send(GET[:20])
        for _ in range(20):
            assert cowherd.request(timeout=60).body == b"fine"
        for connection in crowd:
            connection.wait_closed(timeout=60)
        report("when the crowd has left", latencies(cowherd, 20))


def test_slow_readers(cowherd):
    """What fits into the socket holds nobody; who reads nothing of a longer answer holds one worker, for a while."""
    cowherd.app(APP)
    cowherd.configure(timeouts={"body": "1s", "header": "60s"})
    cowherd.start()
    with cowherd.unharmed(), contextlib.ExitStack() as stack:
        short = [stack.enter_context(cowherd.connect()) for _ in range(100)]
        for connection in short:
            connection.send(fastcgi.head(uri="/some") + record(fastcgi.STDIN))
        report("with 100 who read nothing of 50 kB", latencies(cowherd, 50))
        one = stack.enter_context(cowherd.connect())
        response = one.start(uri="/long")
        one.read_until(response, lambda r: r.size > 0)
        report("with one who reads nothing of 16 MB", latencies(cowherd, 50))
        both = [stack.enter_context(cowherd.connect()) for _ in range(2)]
        for connection in both:
            connection.start(uri="/long")
        assert cowherd.request(timeout=60).body == b"fine", "when they have been given up"
        cowherd.wait_until(lambda: cowherd.ledger()["client_gone"] == 3, what=lambda: cowherd.ledger())


# -- bodies


def test_a_trickle_does_not_stretch_the_deadline_of_a_large_body(cowherd):
    cowherd.app(APP)
    cowherd.configure(timeouts={"body": "1s"})
    cowherd.start()
    with cowherd.unharmed(), cowherd.connect() as connection:
        connection.send(fastcgi.head(uri="/stream", method="POST", body_length=1 << 20))
        response, rounds = fastcgi.Response(), 0
        while response.status is None and rounds < 1200:
            rounds += 1
            if not connection.try_send(record(fastcgi.STDIN, 1, b"x" * 100)):
                break
            with contextlib.suppress(TimeoutError):
                item = connection.receive_record(timeout=0.05)
                if item is None:
                    break
                response.feed(item)
        assert response.status == 408 and rounds < 1200, "a part came every 50 ms, for a minute"


@pytest.mark.parametrize("small_body, state", [("2KiB", "busy"), ("8KiB", "idle"), (0, "busy")])
def test_small_bodies_are_whole_before_a_worker_turns_to_them(cowherd, small_body, state):
    cowherd.app(APP)
    cowherd.configure(limits={"small_body": small_body}, timeouts={"body": "60s"}, workers=1)
    cowherd.start()
    with cowherd.connect() as connection:
        connection.send(fastcgi.head(uri="/read", method="POST", body_length=4096))
        connection.send(fastcgi.stream(fastcgi.STDIN, b"x" * 2500, close=False))
        if state == "busy":
            cowherd.wait_until(lambda: cowherd.workers()[0]["state"] == "busy", what=lambda: cowherd.workers())
        else:
            assert cowherd.request().body == b"fine", "by the only worker"
        connection.send(fastcgi.stream(fastcgi.STDIN, b"x" * 1596))
        assert connection.read_response(fastcgi.Response()).body == b"4096"


# -- the control socket


def control(herd, *pieces):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
        client.settimeout(20)
        client.connect(str(herd.settings["control"]))
        for piece in pieces:
            client.sendall(piece)
        said = b""
        with contextlib.suppress(ConnectionResetError):
            while more := client.recv(65536):
                said += more
        return said


def test_the_control_socket_answers_nonsense(herd):
    pid = herd.process.pid
    for line in (
        b"memory", b"memory json none", b"memory table none more", b"heap none", b"scale", b"scale web", b"scale none 3",
        b"scale web 99999999999999999999", b"trace-writes", b"trace-writes web x", b"reload none", b"status a b c", b"",
        b" ", b"\0\0", b"a b c d e f g h", b"x" * 2000, b"\xff\xfe", b"status\0json",
    ):  # fmt: skip
        for _ in range(5):  # what is used after it was freed is seen at the latest when the memory is another's
            assert control(herd, line + b"\n").split(b"\n")[0] in (b"error", b"ok"), line
    assert herd.process.pid == pid and herd.try_status()


def test_a_crowd_at_the_control_socket_leaves_it_to_others(herd):
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            client = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))
            with contextlib.suppress(BlockingIOError):  # the queue is full
                client.settimeout(20)
                client.connect(str(herd.settings["control"]))
        assert herd.request().body == b"fine", "requests have nothing to do with it"
    wait_until(herd.try_status, what="the control socket answers")


# -- what is nobody's business


def test_logs_and_status_keep_secrets(cowherd):
    secret = "hunter2"
    cowherd.app(APP)
    cowherd.settings["status"] = {"listen": cowherd.directory / "status.sock"}
    cowherd.deaths_expected = True
    cowherd.configure(env={"PASSWORD": secret}, timeouts={"request": "500ms", "hard": "1s", "body": "1s"}, limits={"header": 4096})
    cowherd.start()
    about = {"headers": {"Authorization": "Basic " + secret, "Cookie": "session=" + secret, "Referer": "/?" + secret}}
    ends = {"/crash": 500, "/raise": 500, "/loop": 504, "/stuck": 504}
    for path, status in ends.items():
        assert cowherd.request("%s?token=%s" % (path, secret), method="POST", body=secret.encode(), **about).status == status
        cowherd.wait_log("POST ", path)
        cowherd.wait_ready()
    whole = fastcgi.pairs(fastcgi.cgi_params(uri="/?" + secret, **about))
    for params in (
        whole + fastcgi.pair("HTTP_X", secret.encode() + b"\0"),
        whole + fastcgi.pair("HTTP=X", secret),
        whole + fastcgi.pair("HTTP_X", secret * 1000),
        whole + secret.encode(),
    ):
        with cowherd.connect() as connection:
            connection.try_send(fastcgi.begin() + fastcgi.stream(fastcgi.PARAMS, params) + record(fastcgi.STDIN))
            connection.wait_closed()
    assert cowherd.log_lines("a connection is closed"), "the log tells all that it can"
    late = cowherd.request("/read?" + secret, method="POST", body=[secret.encode()], body_length=100, **about)
    assert late.status in (200, 408)
    for uri in ("/status", "/status?json", "/metrics"):
        with fastcgi.Connection(cowherd.directory / "status.sock") as connection:
            assert secret not in connection.request(uri=uri).text
    for arguments in (("status",), ("status", "--json"), ("memory",)):
        assert secret not in cowherd.command(*arguments).stdout
    cowherd.wait_ready()
    assert secret not in (cowherd.directory / "error.log").read_text()
