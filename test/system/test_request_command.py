"""`cowherd request` against responders of every kind, made up here."""

import contextlib
import socket
import struct
import subprocess
import threading
import time

import pytest

import fastcgi
from herd import BUILD

END = fastcgi.record(fastcgi.END_REQUEST, content=struct.pack(">IB3x", 0, fastcgi.REQUEST_COMPLETE))
ANSWER = b"Status: 200 OK\r\nContent-Type: text/plain\r\n\r\nhello\n"


def stdout(content):
    return fastcgi.stream(fastcgi.STDOUT, content)


class Responder:
    """Accepts one connection and hands it to `behaviour(self, connection)`."""

    def __init__(self, behaviour, family=socket.AF_UNIX, path=None):
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        if family == socket.AF_UNIX:
            self.address = str(path)
            self.socket.bind(self.address)
        else:
            self.socket.bind(("::1" if family == socket.AF_INET6 else "127.0.0.1", 0))
            host, port = self.socket.getsockname()[:2]
            self.address = ("[%s]:%d" if family == socket.AF_INET6 else "%s:%d") % (host, port)
        self.socket.listen()
        self.socket.settimeout(20)
        self.behaviour = behaviour
        self.failure = None
        self.params = None
        self.flags = None
        self.body = b""
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            connection, _ = self.socket.accept()
            with connection:
                connection.settimeout(20)
                self.behaviour(self, connection)
        except Exception as error:
            self.failure = error

    def read_request(self, connection):
        """Reads one request whole."""
        stream = connection.makefile("rb")
        params, body = b"", []
        while True:
            version, kind, number, length, padding = struct.unpack(">BBHHBx", stream.read(8))
            assert (version, number) == (1, 1)
            content = stream.read(length)
            stream.read(padding)
            if kind == fastcgi.BEGIN_REQUEST:
                role, self.flags = struct.unpack(">HB5x", content)
                assert role == fastcgi.RESPONDER
            elif kind == fastcgi.PARAMS:
                params += content
            else:
                assert kind == fastcgi.STDIN
                if not content:
                    break
                body.append(content)
        pairs = fastcgi.parse_pairs(params)
        self.params = {name.decode(): value.decode() for name, value in pairs}
        assert len(self.params) == len(pairs), "a parameter came twice"
        self.body = b"".join(body)

    def finish(self):
        self.thread.join(20)
        assert not self.thread.is_alive()
        self.socket.close()
        if self.failure:
            raise self.failure


def answering(*parts):
    def behaviour(responder, connection):
        responder.read_request(connection)
        connection.sendall(b"".join(parts))

    return behaviour


@pytest.fixture
def responder(tmp_path):
    started = []

    def start(behaviour, family=socket.AF_UNIX):
        started.append(Responder(behaviour, family, tmp_path / "s"))
        return started[-1]

    yield start
    for one in started:
        with contextlib.suppress(OSError):
            one.socket.close()


def request(*arguments, data=b"", timeout=60):
    line = [str(BUILD / "cowherd"), "request", *map(str, arguments)]
    return subprocess.run(line, input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout)


# -- what is sent


def test_the_parameters_are_those_of_a_front_end(responder):
    one = responder(answering(stdout(ANSWER), END))
    result = request("-H", "X-One: 1", "-H", "x-one:  2", "-H", "Cookie: a", "-H", "Cookie: b", one.address, "/a%20b/%00%zz?q=1&r=?#f")
    one.finish()
    assert (result.returncode, result.stdout, result.stderr) == (0, ANSWER, b"")
    expected = {
        "REQUEST_METHOD": "GET",
        "REQUEST_URI": "/a%20b/%00%zz?q=1&r=?",
        "QUERY_STRING": "q=1&r=?",
        "PATH_INFO": "/a b/%00%zz",
        "DOCUMENT_URI": "/a b/%00%zz",
        "SCRIPT_NAME": "",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "GATEWAY_INTERFACE": "CGI/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "SERVER_ADDR": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_NAME": "localhost",
        "REQUEST_SCHEME": "http",
        "CONTENT_LENGTH": "",
        "CONTENT_TYPE": "",
        "HTTP_HOST": "localhost",
        "HTTP_X_ONE": "1, 2",
        "HTTP_COOKIE": "a; b",
    }
    assert {name: one.params.get(name) for name in expected} == expected
    assert one.params["REMOTE_PORT"].isdigit()
    assert "HTTPS" not in one.params and one.flags == 0 and one.body == b""


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["http://a.test/x"], ("a.test", "a.test", "80", "/x", "http")),
        (["http://a.test:8080"], ("a.test:8080", "a.test", "8080", "/", "http")),
        (["https://a.test/?y"], ("a.test", "a.test", "443", "/?y", "https")),
        (["http://[::1]:81/"], ("[::1]:81", "[::1]", "81", "/", "http")),
        (["-H", "Host: b.test:9", "http://a.test/x"], ("b.test:9", "b.test", "9", "/x", "http")),
        (["-X", "OPTIONS", "*"], ("localhost", "localhost", "80", "*", "http")),
        (["/?"], ("localhost", "localhost", "80", "/?", "http")),
    ],
    ids=lambda value: value[-1],
)
def test_uris(responder, arguments, expected):
    one = responder(answering(stdout(ANSWER), END))
    *options, uri = arguments
    assert request(*options, one.address, uri).returncode == 0
    one.finish()
    names = ("HTTP_HOST", "SERVER_NAME", "SERVER_PORT", "REQUEST_URI", "REQUEST_SCHEME")
    assert tuple(one.params[name] for name in names) == expected


def test_bodies_come_from_the_line_a_file_and_standard_input(responder, tmp_path):
    binary = bytes(range(256)) * 1000
    (tmp_path / "body").write_bytes(binary)
    for argument, data, expected in (("a=b", b"", b"a=b"), ("@%s" % (tmp_path / "body"), b"", binary), ("-", binary, binary), ("", b"", b"")):
        one = responder(answering(stdout(ANSWER), END))
        assert request("-H", "Content-Type: x/y", "-d", argument, one.address, "/", data=data).returncode == 0
        one.finish()
        (tmp_path / "s").unlink()
        assert one.body == expected
        assert (one.params["REQUEST_METHOD"], one.params["CONTENT_LENGTH"], one.params["CONTENT_TYPE"]) == ("POST", str(len(expected)), "x/y")
        assert not [name for name in one.params if name.startswith("HTTP_CONTENT")]


def test_a_body_that_can_not_be_read_is_named(tmp_path):
    result = request("-d", "@%s/none" % tmp_path, tmp_path / "s", "/")
    assert result.returncode == 1 and b"none: No such file" in result.stderr


def test_keep_conn_is_asked_for(responder):
    one = responder(answering(stdout(ANSWER), END))
    assert request("-k", one.address, "/").returncode == 0
    one.finish()
    assert one.flags == fastcgi.KEEP_CONNECTION


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["v4", "v6"])
def test_ports(responder, family):
    try:
        one = responder(answering(stdout(ANSWER), END), family)
    except OSError as error:
        pytest.skip(str(error))
    result = request(one.address, "/")
    assert (result.returncode, result.stdout) == (0, ANSWER)


# -- what comes back


def test_an_answer_in_pieces_is_put_together(responder):
    def behaviour(one, connection):
        one.read_request(connection)
        answer = b"".join(fastcgi.record(fastcgi.STDOUT, content=ANSWER[at : at + 3], padding=at % 8) for at in range(0, len(ANSWER), 3))
        answer += fastcgi.record(fastcgi.STDERR, content=b"oops\n") + fastcgi.record(fastcgi.GET_VALUES_RESULT, 0) + stdout(b"") + END
        for byte in answer:
            connection.sendall(bytes([byte]))

    one = responder(behaviour)
    result = request(one.address, "/")
    one.finish()
    assert (result.returncode, result.stdout, result.stderr) == (0, ANSWER, b"oops\n")


def test_a_long_answer_before_the_body_is_read_does_not_deadlock(responder):
    size = 30 << 20

    def behaviour(one, connection):
        connection.sendall(stdout(b"a" * size))
        one.read_request(connection)
        connection.sendall(END)

    one = responder(behaviour)
    result = request("-d", "-", one.address, "/", data=b"b" * size)
    one.finish()
    assert result.returncode == 0, result.stderr
    assert len(result.stdout) == len(one.body) == size and set(one.body) == {ord("b")}


def test_an_answer_counts_although_the_body_is_not_wanted(responder):
    def behaviour(one, connection):
        connection.recv(1000)
        connection.sendall(stdout(ANSWER) + END)
        connection.shutdown(socket.SHUT_RD)

    one = responder(behaviour)
    result = request("-d", "-", one.address, "/", data=b"b" * (8 << 20))
    one.finish()
    assert (result.returncode, result.stdout) == (0, ANSWER), result.stderr


@pytest.mark.parametrize(
    "parts, said",
    [
        ([], "closed before the end"),
        ([stdout(ANSWER)], "closed before the end"),
        ([stdout(ANSWER), END[:-1]], "closed before the end"),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n"], "not FastCGI"),
        ([fastcgi.record(fastcgi.STDOUT, content=b"x", version=2)], "not FastCGI"),
        ([fastcgi.record(fastcgi.END_REQUEST, content=b"\0\0\0\0")], "short END_REQUEST"),
        ([fastcgi.record(fastcgi.STDOUT, 7, b"x"), END], "another request"),
        ([fastcgi.record(fastcgi.PARAMS, content=b"x"), END], "a type that no responder sends"),
        ([fastcgi.record(fastcgi.END_REQUEST, content=struct.pack(">IB3x", 0, fastcgi.OVERLOADED))], "overloaded"),
        ([fastcgi.record(fastcgi.END_REQUEST, content=struct.pack(">IB3x", 0, fastcgi.UNKNOWN_ROLE))], "the role"),
        ([fastcgi.record(fastcgi.END_REQUEST, content=struct.pack(">IB3x", 0, 99))], "unknown protocol status"),
    ],
)
def test_an_incomplete_or_wrong_answer_is_status_1(responder, parts, said):
    one = responder(answering(*parts))
    result = request(one.address, "/")
    one.finish()
    assert result.returncode == 1
    assert said in result.stderr.decode() and one.address in result.stderr.decode()
    if parts and parts[0] == stdout(ANSWER):
        assert result.stdout == ANSWER, "what came is printed"


def test_a_responder_that_stalls_is_given_up(responder):
    done = threading.Event()

    def behaviour(one, connection):
        one.read_request(connection)
        connection.sendall(stdout(ANSWER))
        done.wait(20)

    one = responder(behaviour)
    started = time.monotonic()
    result = request("-t", "0.3", one.address, "/")
    elapsed = time.monotonic() - started
    done.set()
    one.finish()
    assert result.returncode == 1 and b"time-out" in result.stderr and result.stdout == ANSWER
    assert 0.3 <= elapsed < 10


def test_a_full_backlog_is_given_up(tmp_path):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "full"))
        listener.listen(0)
        waiting = []
        with contextlib.suppress(BlockingIOError):
            while True:
                client = socket.socket(socket.AF_UNIX)
                client.setblocking(False)
                waiting.append(client)
                client.connect(str(tmp_path / "full"))
        result = request("-t", "0.2", tmp_path / "full", "/")
        for client in waiting:
            client.close()
    assert result.returncode == 1 and b"time-out" in result.stderr


def test_output_that_nobody_takes_is_a_failure(responder):
    one = responder(answering(stdout(ANSWER), END))
    with open("/dev/full", "wb") as full:
        process = subprocess.run([str(BUILD / "cowherd"), "request", one.address, "/"], stdout=full, stderr=subprocess.PIPE, timeout=20)
    one.finish()
    assert process.returncode == 1 and b"can't be written" in process.stderr


# -- usage


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["s"],
        ["s", "/", "more"],
        ["s", "relative"],
        ["s", ""],
        ["", "/"],
        ["s", "http://"],
        ["-x", "s", "/"],
        ["-X"],
        ["-X", "G T", "s", "/"],
        ["-X", "", "s", "/"],
        ["-H", "no colon", "s", "/"],
        ["-H", ": x", "s", "/"],
        ["-H", "A B: x", "s", "/"],
        ["-H", "A: x\r\nB: y", "s", "/"],
        ["-t", "0", "s", "/"],
        ["-t", "-1", "s", "/"],
        ["-t", "soon", "s", "/"],
        ["-t", "nan", "s", "/"],
    ],
)
def test_wrong_usage_is_status_2(arguments):
    result = request(*arguments)
    assert result.returncode == 2 and result.stdout == b"" and b"usage: cowherd request" in result.stderr


@pytest.mark.parametrize("address", ["nowhere/s", "x" * 200 + "/s", "127.0.0.1:1", "127.0.0.1:notaport"])
def test_no_connection_is_status_1_and_names_the_address(address):
    result = request(address, "/")
    assert result.returncode == 1 and address in result.stderr.decode()
