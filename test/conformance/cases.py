"""What every front end is asked. A case asserts what holds for all and returns its cell of the table: None for "as it
should be", else a short text that has to be the one in differences.py."""

import contextlib
import http.client
import os
import re
import signal
import socket
import threading

from herd import PATIENCE, wait_until

NOT_TO_BE_HAD = "not to be had"
CASES = []
LONG = set()  # not in `make test`

PATTERN = bytes(range(256)) * 256
MEGABYTE = PATTERN * 16


def case(function=None, long=False):
    def add(function):
        name = function.__name__.replace("_", " ")
        function.title = name[0].upper() + name[1:]
        CASES.append(function)
        if long:
            LONG.add(function)
        return function

    return add(function) if function else add


def text(response):
    return response.content.decode("utf-8", "replace")


def said(site, uri, method="GET", **about):
    response = site.front.request(uri, method, **about)
    assert response.status == 200, (response.status, text(response)[:300])
    return text(response).split("|")


def raw(site, head, body=b"", timeout=60):
    """Sends bytes as they are and reads to the end. (status, what came)."""
    with site.front.connect(timeout) as connection:
        connection.sendall(head + body)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(65536):
                received += piece
    status = re.match(rb"HTTP/1\.[01] (\d+)", received)
    return int(status.group(1)) if status else None, received


def get_raw(site, target):
    return raw(site, b"GET %s HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n" % target)


# -- what is asked


@case
def methods(site):
    for method in ("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"):
        body = b"x" if method in ("POST", "PUT", "PATCH") else None
        assert said(site, "/m", method, body=body) == [method, "", "/m", ""]


@case
def head(site):
    for uri, length in (("/known?1000", "1000"), ("/x", None)):
        response = site.front.request(uri, "HEAD")
        assert (response.status, response.content) == (200, b"")
        assert length is None or response.getheader("content-length") in (length, None)


@case
def query_strings(site):
    for query in ("", "a=1&a=2&b", "q=%20%C3%BC%26+x", "a[]=1;b=2", "?", "x=/../y"):
        assert said(site, "/q?" + query) == ["GET", "", "/q", query]
    assert said(site, "/q") == ["GET", "", "/q", ""]


@case
def escaped_paths(site):
    for path, seen in (("/a%20b", "/a b"), ("/a%2Fb", "/a/b"), ("/a+b", "/a+b"), ("/%7Ex", "/~x"), ("/a%3Fb%23", "/a?b#")):
        assert said(site, "/p" + path)[2] == "/p" + seen


@case
def paths_beyond_ASCII(site):
    assert said(site, "/%C3%BC/%E2%82%AC")[2] == "/ü/€"


@case
def paths_beyond_ASCII_unescaped(site):
    status, answer = get_raw(site, "/ü".encode())
    if status == 200:
        assert answer.rstrip().rstrip(b"\r\n0").rstrip().endswith("GET||/ü|".encode()), answer
    return None if status == 200 else str(status)


@case
def double_slashes_and_dots(site):
    seen = said(site, "/x//y/./z/../w")[2]
    return None if seen == "/x//y/./z/../w" else seen


@case
def bad_escapes(site):
    status, _ = get_raw(site, b"/%zz")
    return None if status == 400 else str(status)


@case
def escaped_NUL(site):
    status, _ = get_raw(site, b"/a%00b")
    return None if status == 400 else str(status)


@case
def hosts_and_paths(site):
    for host, uri, seen in (
        ("a.test", "/in/x", "inner|GET|/in|/x|"),
        ("a.test", "/in", "inner|GET|/in||"),
        ("a.test", "/innermost", "GET||/innermost|"),
        ("b.wild.test", "/x", "wild|GET||/x|"),
        ("c.b.wild.test", "/x", "wild|GET||/x|"),
        ("A.TEST:8080", "/x", "GET||/x|"),
        ("other.test", "/x", "any|GET||/x|"),
    ):
        response = site.front.request(uri, host=host)
        assert (response.status, text(response)) == (200, seen), (host, uri)


@case
def host_with_its_port(site):
    assert text(site.front.request("/env?HTTP_HOST", host="a.test:8080")) == '"a.test:8080"'


@case
def cookies(site):
    response = site.front.request("/cookies", headers={"Cookie": "x=1; y=2"})
    assert text(response) == '"x=1; y=2"'
    assert response.headers.get_all("set-cookie") == ["a=1; path=/", "b=2"]


@case
def authorization_is_passed(site):
    assert text(site.front.request("/env?HTTP_AUTHORIZATION", headers={"Authorization": "Basic eDp5"})) == '"Basic eDp5"'


@case
def Proxy_is_dropped(site):
    assert text(site.front.request("/env?HTTP_PROXY", headers={"Proxy": "http://evil.test"})) == "nil"


@case
def large_request_headers(site):
    value = "v" * 6000
    assert text(site.front.request("/env?HTTP_X_LARGE", headers={"X-Large": value})) == '"%s"' % value


@case
def a_header_sent_twice(site):
    """It may come as one parameter or as two, of which the last counts."""
    status, answer = raw(
        site, b"GET /env?HTTP_X_TWICE HTTP/1.1\r\nHost: a.test\r\nX-Twice: 1\r\nX-Twice: 2\r\nConnection: close\r\n\r\n"
    )
    seen = re.search(rb'"(.*)"', answer.partition(b"\r\n\r\n")[2])
    assert status == 200 and seen, answer
    return None if re.fullmatch(rb"1, ?2", seen.group(1)) else "the last counts" if seen.group(1) == b"2" else answer


# -- what is answered


@case
def large_response_headers(site):
    response = site.front.request("/large")
    assert response.status == 200, text(response)
    for number in range(1, 13):
        assert response.getheader("x-large-%d" % number) == str(number) * (900 // len(str(number)))


@case
def no_content_204(site):
    response = site.front.request("/none")
    assert (response.status, response.content) == (204, b"")


@case
def not_modified_304(site):
    response = site.front.request("/unmodified", headers={"If-None-Match": '"tag"'})
    assert (response.status, response.content, response.getheader("etag")) == (304, b"", '"tag"')


@case
def statuses(site):
    for status in (200, 201, 202, 400, 401, 403, 404, 409, 418, 422, 500, 502, 503):
        response = site.front.request("/status?%d" % status)
        assert (response.status, text(response)) == (status, "said %d" % status)


@case
def redirects(site):
    for status in (301, 302, 303, 307, 308):
        response = site.front.request("/redirect?%d" % status)
        assert (response.status, response.getheader("location")) == (status, "http://elsewhere.test/there?x=1")
    response = site.front.request("/scripts/folder?x=1")
    assert response.status == 301 and response.getheader("location").endswith("/scripts/folder/?x=1")
    response = site.front.request("/moved")
    location = response.getheader("location")
    assert response.status == 302 and location.endswith("/there")
    return None if location == "/there" else "absolute"


@case
def an_exception_is_500(site):
    assert site.front.request("/raise").status == 500


@case
def rack_errors_reach_cowherds_log_alone(site):
    mark = site.mark()
    assert text(site.front.request("/stderr?" + mark)) == "said"
    site.herd.wait_log("said " + mark)
    logs = [path.read_text(errors="replace") for path in (site.front.log, site.front.output) if path.exists()]
    assert not [log for log in logs if "said " + mark in log]


# -- bodies


@case
def bodies_both_ways(site):
    for size in (0, 1, 8191, 8192, 65536, 1 << 20):
        body = (PATTERN * (size // len(PATTERN) + 1))[:size]
        response = site.front.request("/echo", "POST", body=body)
        assert response.status == 200 and response.content == body, size


@case(long=True)
def upload_of_100_MB(site):
    response = site.front.request("/size", "POST", body=MEGABYTE * 100)
    assert (response.status, text(response)) == (200, '%d "%d"' % (100 << 20, 100 << 20))


@case(long=True)
def download_of_100_MB(site):
    connection = http.client.HTTPConnection("127.0.0.1", site.front.port, timeout=120)
    with contextlib.closing(connection):
        connection.request("GET", "/bytes?1600", headers={"Host": "a.test"})
        response = connection.getresponse()
        for _ in range(1600):
            assert response.read(len(PATTERN)) == PATTERN
        assert response.read() == b""


@case
def an_upload_that_the_app_leaves_unread(site):
    assert text(site.front.request("/unread", "POST", body=MEGABYTE)) == "unread"
    assert said(site, "/after")[2] == "/after"


def chunks(*sizes):
    return (b"y" * size for size in sizes)


def upload(site, *sizes):
    """The cell: the size has to come back, or is not taken."""
    try:
        response = site.front.request("/size", "POST", body=chunks(*sizes), chunked=True)
    except (BrokenPipeError, ConnectionResetError, http.client.RemoteDisconnected):
        return "400"  # was sent, but can't be read: the server closes while we send
    if response.status != 200:
        return str(response.status)
    assert text(response).split()[0] == str(sum(sizes))


@case
def chunked_uploads(site):
    return upload(site, 1) or upload(site, 5000, 5000)


@case
def a_chunked_upload_of_100_kB(site):
    return upload(site, *(10000,) * 10)


@case
def a_chunked_upload_of_3_MB(site):
    return upload(site, *(100000,) * 30)


@case
def an_empty_chunked_upload(site):
    return upload(site)


@case
def CONTENT_LENGTH_of_a_chunked_upload(site):
    seen = text(site.front.request("/size", "POST", body=chunks(500, 500), chunked=True)).split()
    assert seen[0] == "1000", seen
    return None if seen[1] == '"1000"' else seen[1].strip('"').replace("nil", "absent")


@case
def unbuffered_uploads(site):
    if site.front.unbuffered is None:
        return NOT_TO_BE_HAD
    with site.variant(site.front.unbuffered) as front:
        assert front.request("/echo", "POST", body=MEGABYTE).content == MEGABYTE
        response = front.request("/size", "POST", body=chunks(10000, 10000), chunked=True)
        return None if text(response).split()[0] == "20000" else "chunked: %d" % response.status


@case
def a_slow_upload_holds_no_worker(site):
    """As many as there are workers, each half there."""
    half = b"z" * 100000
    lines = b"POST /size HTTP/1.1\r\nHost: a.test\r\nContent-Length: 200000\r\nConnection: close\r\n\r\n"
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(site.front.connect()) for _ in range(site.workers)]
        for connection in slow:
            connection.sendall(lines + half)
        try:
            patience = 3 if site.front.name in ("apache", "haproxy") else PATIENCE  # where it may hold all of them
            served = site.front.request("/x", timeout=patience).status == 200
        except TimeoutError:
            served = False
        for connection in slow:
            connection.sendall(half)
        for connection in slow:
            answer = b""
            while piece := connection.recv(65536):
                answer += piece
            assert b'200000 "200000"' in answer
    return None if served else "no"


# -- time


def first_byte_is_early(site, uri, patience):
    fifo = site.herd.fifo()
    with site.front.connect() as connection:
        connection.sendall(b"GET %s?%s HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n" % (uri, str(fifo).encode()))
        received = b""
        with fifo.wait_reader():
            connection.settimeout(patience)
            try:
                while b"first\n" not in received:
                    piece = connection.recv(65536)
                    assert piece, "the answer ends: %r" % received
                    received += piece
                early = True
            except TimeoutError:
                early = False
        connection.settimeout(60)
        while piece := connection.recv(65536):
            received += piece
    assert b"first\n" in received and b"second\n" in received
    return early


@case
def the_first_byte_comes_before_the_last_is_made(site):
    if first_byte_is_early(site, b"/first", 1 if site.front.name == "nginx" else PATIENCE):
        return None
    return "if asked" if first_byte_is_early(site, b"/first-unbuffered", PATIENCE) else "no"


@case
def a_client_that_leaves_in_mid_response(site):
    with site.front.connect() as connection:
        connection.sendall(b"GET /endless HTTP/1.1\r\nHost: a.test\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
    site.wait_idle()
    assert said(site, "/after")[2] == "/after"


@case
def a_client_that_leaves_in_mid_upload(site):
    with site.front.connect() as connection:
        connection.sendall(b"POST /size HTTP/1.1\r\nHost: a.test\r\nContent-Length: 10000000\r\n\r\n" + b"z" * 300000)
    site.wait_idle()
    assert said(site, "/after")[2] == "/after"


@case
def kept_connections(site):
    if site.front.kept is None:
        return NOT_TO_BE_HAD
    with site.variant(site.front.kept) as front:
        for number in range(20):
            assert front.request("/echo", "POST", body=b"%d" % number).content == b"%d" % number
            assert front.request("/none").status == 204
            assert front.request("/x", "HEAD").status == 200
            assert front.request("/x").status == 200
        site.herd.wait_until(lambda: any(worker.get("connections") for worker in site.herd.workers()), what="one is kept")


@case
def after_a_kept_connection_was_closed(site):
    """As cowherd does when an app leaves more unread than is worth reading."""
    if site.front.kept is None:
        return NOT_TO_BE_HAD
    with site.variant(site.front.kept) as front:
        seen = []
        for _ in range(20):
            assert front.request("/unread", "POST", body=MEGABYTE[:100000]).status == 200
            seen.append(front.request("/x").status)
    failed = {status for status in seen if status != 200}
    return " and ".join(map(str, sorted(failed))) if failed else None


# -- faults


def the_only(found):
    return found[0] if len(found) == 1 else None


def killed(site, uri):
    """Kills the worker that waits at the fifo of `uri`; (status, body, error) as the client has it."""
    fifo = site.herd.fifo()
    outcome = {}

    def ask():
        try:
            response = site.front.request(uri % fifo, timeout=60)
            outcome["status"], outcome["body"] = response.status, response.content
        except (http.client.HTTPException, OSError) as error:
            outcome["error"] = error

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    with fifo.wait_reader():
        busy = site.herd.wait_until(lambda: the_only([w["pid"] for w in site.herd.workers() if w["state"] == "busy"]))
        os.kill(busy, signal.SIGKILL)
        site.herd.wait_until(lambda: busy not in site.herd.worker_pids())
    thread.join(60)
    assert not thread.is_alive(), "the client hangs"
    site.herd.wait_ready()
    assert said(site, "/after")[2] == "/after"
    return outcome


@case
def a_worker_killed_before_it_answers(site):
    outcome = killed(site, "/held?%s")
    assert outcome.get("status", 0) >= 500, outcome
    return None if outcome["status"] == 502 else str(outcome["status"])


@case
def a_worker_killed_in_mid_response(site):
    outcome = killed(site, "/first?%s")
    if "error" in outcome:
        return None
    assert outcome["status"] != 200 or b"second" not in outcome["body"]
    return "whole to the client" if outcome["status"] == 200 else str(outcome["status"])


@case(long=True)
def a_full_backlog(site):
    """One worker that is held, a queue of one, and a dozen who ask: all get an answer, and all is well afterwards."""
    fifo = site.herd.fifo()
    outcomes = []

    def ask(uri):
        try:
            outcomes.append(site.front.request(uri, host="queue.test", timeout=60).status)
        except (http.client.HTTPException, OSError) as error:
            outcomes.append(error)

    first = threading.Thread(target=ask, args=("/held?%s" % fifo,), daemon=True)
    first.start()
    with fifo.wait_reader():
        others = [threading.Thread(target=ask, args=("/x",), daemon=True) for _ in range(12)]
        for thread in others:
            thread.start()
        site.herd.wait_until(lambda: outcomes or site.herd.pool("queue")["listen"][0]["queue"] >= 1)
    for thread in [first, *others]:
        thread.join(90)
        assert not thread.is_alive(), "a client hangs"
    strange = [outcome for outcome in outcomes if outcome not in (200, 500, 502, 503, 504)]
    assert not strange and outcomes.count(200) >= 2, outcomes
    wait_until(lambda: site.front.request("/x", host="queue.test").status == 200)
    refused = sorted({outcome for outcome in outcomes if outcome != 200})
    return " and ".join(map(str, refused)) if refused else None


@case
def reloads_under_load(site):
    stop, good, bad = threading.Event(), [], []

    def run(number):
        while not stop.is_set():
            try:
                if number % 2:
                    response = site.front.request("/echo", "POST", body=b"body")
                    fine = response.status == 200 and response.content == b"body"
                else:
                    fine = site.front.request("/x").status == 200
                (good if fine else bad).append(number)
            except (http.client.HTTPException, OSError) as error:
                bad.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(3):
            target = len(good) + 40
            wait_until(lambda: len(good) >= target or bad)
            result = site.herd.reload("web")
            assert result.returncode == 0, result.stderr
        target = len(good) + 40
        wait_until(lambda: len(good) >= target or bad)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    site.herd.wait_ready()
    assert bad == []


# -- what front ends do themselves


@case
def public_files(site):
    site.wait_idle()
    before = site.herd.ledger()["accepted"]
    for uri, content in (("/style.css", b"root's css"), ("/in/deep/style.css", b"inner's css")):
        response = site.front.request(uri)
        if response.content != content:
            assert response.status == 200 and b"|" + uri[:3].encode() in response.content
            return "served by the app"
    assert site.herd.ledger()["accepted"] == before
    assert said(site, "/deep/")[2] == "/deep/"
    for uri in ("/config.ru", "/in/config.ru", "/../config.ru", "/in/../config.ru", "/in/..%2fconfig.ru", "/in../config.ru"):
        assert b"run ->" not in site.front.request(uri).content


@case
def sendfile(site):
    path = {"nginx": "/accel", "lighttpd": "/xsendfile", "apache": "/xsendfile"}.get(site.front.name)
    if path is None:
        return NOT_TO_BE_HAD
    response = site.front.request(path + "/file")
    assert (response.status, response.content) == (200, b"a private file"), text(response)
    assert response.getheader("x-sendfile") is None and response.getheader("x-accel-redirect") is None


@case
def scripts(site):
    assert text(site.front.request("/scripts/?x=1")) == "index x=1"
    assert text(site.front.request("/scripts/more.rb/rest?x=1")) == "more /rest x=1"
    assert site.front.request("/scripts/absent.rb").status == 404


@case
def authorizer(site):
    """Access hooks before a file that the front end serves; "who" is the visitor's header."""
    if site.front.guarded is None or (site.front.name == "apache" and site.transport == "unix"):
        return NOT_TO_BE_HAD
    with site.variant(site.front.guarded) as front:
        assert text(front.request("/guarded/file.txt", headers={"X-Who": "friend"})) == "guarded"
        assert front.request("/guarded/file.txt", headers={"X-Who": "foe"}).status == 403
        assert front.request("/guarded/file.txt").status == 401
