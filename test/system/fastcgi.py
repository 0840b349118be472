"""A small FastCGI 1.0 client, independent of the code under test.

It can speak properly (Connection.request, Client) and improperly (record, Connection.send): the hostile tests build
their records by hand. Sending and receiving go on at the same time, so a body may be longer than the socket buffers.
Every wait ends at a deadline.
"""

import errno
import select
import socket
import struct
import time
from collections import namedtuple

BEGIN_REQUEST, ABORT_REQUEST, END_REQUEST, PARAMS, STDIN, STDOUT, STDERR, DATA = range(1, 9)
GET_VALUES, GET_VALUES_RESULT, UNKNOWN_TYPE = 9, 10, 11

RESPONDER, AUTHORIZER, FILTER = 1, 2, 3
REQUEST_COMPLETE, CANT_MULTIPLEX, OVERLOADED, UNKNOWN_ROLE = range(4)
KEEP_CONNECTION = 1

CONTENT_MAX = 65535
PIECE = 32768

Record = namedtuple("Record", "version type request_id content padding")


class ConnectionClosed(ConnectionError):
    """The peer closed the connection before the answer was whole; `response` holds what had come."""

    def __init__(self, message, response=None):
        super().__init__(message)
        self.response = response


def to_bytes(value):
    return value if isinstance(value, (bytes, bytearray, memoryview)) else str(value).encode("utf-8")


def record(kind, request_id=1, content=b"", padding=0, version=1, content_length=None, padding_length=None):
    """One record. content_length and padding_length let the header lie about what follows."""
    content = to_bytes(content)
    header = struct.pack(
        ">BBHHBx",
        version,
        kind,
        request_id,
        len(content) if content_length is None else content_length,
        padding if padding_length is None else padding_length,
    )
    return header + bytes(content) + b"\0" * padding


def begin(request_id=1, role=RESPONDER, keep=False):
    return record(BEGIN_REQUEST, request_id, struct.pack(">HB5x", role, KEEP_CONNECTION if keep else 0))


def length_bytes(length, long=False):
    return struct.pack(">B", length) if length < 128 and not long else struct.pack(">I", length | 0x80000000)


def pair(name, value):
    name, value = to_bytes(name), to_bytes(value)
    return length_bytes(len(name)) + length_bytes(len(value)) + name + value


def pairs(items):
    return b"".join(pair(name, value) for name, value in items)


def parse_pairs(content):
    result, at = [], 0

    def length():
        nonlocal at
        first = content[at]
        if first < 128:
            at += 1
            return first
        at += 4
        return struct.unpack_from(">I", content, at - 4)[0] & 0x7FFFFFFF

    while at < len(content):
        name_length, value_length = length(), length()
        result.append((content[at : at + name_length], content[at + name_length : at + name_length + value_length]))
        at += name_length + value_length
    return result


def stream(kind, content, request_id=1, piece=CONTENT_MAX, close=True):
    """The records of a stream, the empty one that ends it included."""
    content = to_bytes(content)
    records = [record(kind, request_id, content[at : at + piece]) for at in range(0, len(content), piece)]
    return b"".join(records) + (record(kind, request_id) if close else b"")


def cgi_params(method="GET", uri="/", host="localhost", headers=(), body_length=None, params=None):
    """The parameters that nginx's fastcgi_params would send. `params` overrides; None removes one."""
    path, _, query = uri.partition("?")
    values = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "SERVER_SOFTWARE": "test",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REQUEST_METHOD": method,
        "REQUEST_URI": uri,
        "DOCUMENT_URI": path,
        "SCRIPT_NAME": "",
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "REQUEST_SCHEME": "http",
        "SERVER_NAME": host or "localhost",
        "SERVER_ADDR": "127.0.0.1",
        "SERVER_PORT": "80",
        "REMOTE_ADDR": "127.0.0.1",
        "REMOTE_PORT": "49152",
        "CONTENT_TYPE": "",
        "CONTENT_LENGTH": "" if body_length is None else body_length,
    }
    if host is not None:
        values["HTTP_HOST"] = host
    for name, value in headers.items() if hasattr(headers, "items") else headers:
        upper = name.upper().replace("-", "_")
        values[upper if upper in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + upper] = value
    values.update(params or {})
    return [(name, value) for name, value in values.items() if value is not None]


def head(request_id=1, role=RESPONDER, keep=False, extra_params=(), **about):
    """BEGIN_REQUEST and PARAMS. `about` goes to cgi_params; `extra_params` follow in the order given."""
    content = pairs(cgi_params(**about)) + pairs(extra_params)
    return begin(request_id, role, keep) + stream(PARAMS, content, request_id)


class Response:
    """An answer while it arrives. `complete` is set by END_REQUEST."""

    def __init__(self, request_id=1, sink=None):
        self.request_id = request_id
        self.status = None
        self.reason = ""
        self.headers = []
        self.size = 0
        self.stderr = b""
        self.app_status = None
        self.protocol_status = None
        self.complete = False
        self.started = False
        self._sink = sink
        self._head = b""
        self._chunks = []

    def feed(self, item):
        self.started = True
        if item.request_id != self.request_id:
            raise AssertionError("record of another request: %r" % (item,))
        if item.type == STDOUT:
            self._take(item.content)
        elif item.type == STDERR:
            self.stderr += item.content
        elif item.type == END_REQUEST:
            self.app_status, self.protocol_status = struct.unpack_from(">IB", item.content)
            self.complete = True
        else:
            raise AssertionError("unexpected record: %r" % (item,))

    def _take(self, content):
        if self.status is None:
            self._head += content
            before, blank, content = self._head.partition(b"\r\n\r\n")
            if not blank:
                return
            self._parse(before)
        self.size += len(content)
        if self._sink:
            self._sink(content)
        else:
            self._chunks.append(content)

    def _parse(self, text):
        self.status, self.reason = 200, ""
        for line in text.split(b"\r\n"):
            name, colon, value = line.partition(b":")
            assert colon and name and name.strip() == name, "malformed header line %r" % line
            assert b"\n" not in line and b"\r" not in line and b"\0" not in line, "control byte in %r" % line
            name, value = name.decode("ascii"), value.strip(b" ").decode("latin-1")
            if name.lower() == "status":
                code, _, self.reason = value.partition(" ")
                self.status = int(code)
            else:
                self.headers.append((name, value))

    @property
    def body(self):
        return b"".join(self._chunks)

    @property
    def text(self):
        return self.body.decode("utf-8")

    @property
    def head_text(self):
        return self._head.partition(b"\r\n\r\n")[0].decode("latin-1")

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def header(self, name):
        values = self.all(name)
        assert len(values) < 2, "%s came %d times" % (name, len(values))
        return values[0] if values else None

    def __repr__(self):
        return "<Response %s %s, %d bytes, complete=%s, protocol_status=%s>" % (
            self.status,
            self.headers,
            self.size,
            self.complete,
            self.protocol_status,
        )


def open_socket(address, timeout):
    """`address`: a path, "host:port" or (host, port)."""
    if isinstance(address, tuple):
        return socket.create_connection(address, timeout)
    address = str(address)
    if "/" not in address:
        host, _, port = address.rpartition(":")
        return socket.create_connection((host.strip("[]"), int(port)), timeout)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    deadline = time.monotonic() + timeout
    try:
        while True:
            # A unix socket whose queue is full says EAGAIN at once instead of waiting.
            sock.settimeout(timeout)
            try:
                sock.connect(address)
                return sock
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError("the listen queue of %s stays full" % address) from None
                time.sleep(0.001)
    except BaseException:
        sock.close()
        raise


class Connection:
    def __init__(self, address, timeout=20):
        self.timeout = timeout
        self.socket = open_socket(address, timeout)
        self.socket.setblocking(False)
        self._buffer = bytearray()
        self._eof = False

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Leaves without a word (TCP: RST)."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def shutdown_write(self):
        self.socket.shutdown(socket.SHUT_WR)

    # -- bytes and records

    def send(self, *pieces, timeout=None):
        """Sends all of it, reading what comes meanwhile into the buffer."""
        self._exchange(iter(pieces), lambda: False, timeout, until_sent=True)

    def try_send(self, *pieces):
        """As send, but a peer that closed is no error: says whether all was taken."""
        try:
            self.send(*pieces)
            return True
        except (BrokenPipeError, ConnectionResetError, ConnectionClosed):
            return False

    def receive_record(self, timeout=None):
        """The next record, or None at end of file."""
        found = []

        def take():
            item = self._next_record()
            if item:
                found.append(item)
            return bool(found)

        self._exchange(iter(()), take, timeout)
        return found[0] if found else None

    def wait_closed(self, timeout=None):
        """Waits until the peer closes; returns the records that came before."""
        records = []
        while True:
            try:
                item = self.receive_record(timeout)
            except (ConnectionResetError, BrokenPipeError):
                self._eof = True
                return records
            if item is None:
                return records
            records.append(item)

    def is_open(self):
        """No end of file seen so far; does not wait."""
        try:
            self._receive()
        except ConnectionResetError:
            self._eof = True
        return not self._eof

    # -- requests

    def start(self, body=None, request_id=1, keep=False, role=RESPONDER, extra_params=(), **about):
        """Sends a head and, when `body` is given, the whole body. Returns the Response to hand to read_*."""
        sink = about.pop("sink", None)
        length = len(body) if body is not None else None
        about.setdefault("body_length", length)
        self.send(
            head(request_id=request_id, role=role, keep=keep, extra_params=extra_params, **about),
            stream(STDIN, body or b"", request_id),
        )
        return Response(request_id, sink)

    def read_response(self, response, timeout=None):
        """Until END_REQUEST. Raises ConnectionClosed when the peer closes before."""
        return self.read_until(response, lambda r: r.complete, timeout)

    def read_until(self, response, condition, timeout=None):
        """Reads records until `condition(response)` holds."""

        def take():
            while not condition(response):
                item = self._next_record()
                if item is None:
                    return False
                response.feed(item)
            return True

        self._run(iter(()), take, timeout, response)
        if not condition(response):
            raise ConnectionClosed("closed in the middle: %r" % response, response)
        return response

    def request(
        self,
        method="GET",
        uri="/",
        host="localhost",
        headers=(),
        body=None,
        keep=False,
        params=None,
        extra_params=(),
        role=RESPONDER,
        request_id=1,
        sink=None,
        timeout=None,
        **about
    ):
        """One whole request. `body` is bytes, or an iterable of bytes (then give body_length or none is announced)."""
        response = Response(request_id, sink)
        whole = body is None or isinstance(body, (bytes, bytearray))
        if whole and body is not None:
            about.setdefault("body_length", len(body))

        def pieces():
            yield head(
                request_id=request_id,
                role=role,
                keep=keep,
                extra_params=extra_params,
                method=method,
                uri=uri,
                host=host,
                headers=headers,
                params=params,
                **about
            )
            if whole:
                view = memoryview(body or b"")
                for at in range(0, len(view), PIECE):
                    yield record(STDIN, request_id, view[at : at + PIECE])
            else:
                for piece in body:
                    yield stream(STDIN, piece, request_id, close=False)
            yield record(STDIN, request_id)

        def take():
            while not response.complete:
                item = self._next_record()
                if item is None:
                    return False
                response.feed(item)
            return True

        self._run(pieces(), take, timeout, response)
        if not response.complete:
            raise ConnectionClosed("closed in the middle: %r" % response, response)
        return response

    def _run(self, pieces, done, timeout, response):
        try:
            self._exchange(pieces, done, timeout)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ConnectionClosed("%s in the middle: %r" % (error, response), response) from error

    # -- below: one poll loop that sends and receives

    def _next_record(self):
        if len(self._buffer) < 8:
            return None
        version, kind, request_id, length, padding = struct.unpack_from(">BBHHB", self._buffer)
        end = 8 + length + padding
        if len(self._buffer) < end:
            return None
        content = bytes(self._buffer[8 : 8 + length])
        del self._buffer[:end]
        assert version == 1, "record of version %d" % version
        return Record(version, kind, request_id, content, padding)

    def _receive(self):
        while not self._eof:
            try:
                data = self.socket.recv(262144)
            except (BlockingIOError, InterruptedError):
                return
            if not data:
                self._eof = True
                return
            self._buffer += data
            if len(self._buffer) > 1 << 20:
                return

    def _exchange(self, pieces, done, timeout=None, until_sent=False):
        """Sends `pieces` and receives until done() or end of file (or, with until_sent, until all is sent)."""
        deadline = time.monotonic() + (self.timeout if timeout is None else timeout)
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        registered = select.POLLIN
        pending, exhausted, send_error = memoryview(b""), False, None
        while True:
            while not pending and not exhausted:
                try:
                    pending = memoryview(next(pieces))
                except StopIteration:
                    exhausted = True
            if done() or (until_sent and exhausted and not pending):
                return
            if self._eof:
                if until_sent or (send_error and not self._buffer):
                    raise send_error or ConnectionClosed("closed while sending")
                return
            wanted = select.POLLIN | (select.POLLOUT if pending else 0)
            if wanted != registered:
                poll.modify(self.socket, wanted)
                registered = wanted
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                raise TimeoutError("no progress in time; %d bytes wait" % len(self._buffer))
            try:
                self._receive()
            except ConnectionResetError:
                self._eof = True
                if not done():
                    raise
                return
            if pending and not self._eof:
                try:
                    pending = pending[self.socket.send(pending) :]
                except BlockingIOError:
                    pass
                except OSError as error:
                    # The peer reads no more; what it has said before can still be read.
                    if error.errno not in (errno.EPIPE, errno.ECONNRESET):
                        raise
                    pending, exhausted, send_error = memoryview(b""), True, error
                    pieces = iter(())
                    if until_sent:
                        raise


def request(address, timeout=20, **about):
    """One request on a connection of its own."""
    with Connection(address, timeout) as connection:
        return connection.request(**about)


class Client:
    """Requests on one kept connection. A kept connection may be closed by the server while it idles; a request that
    finds it so (not a byte of answer came) is sent once more on a new one, as front ends do."""

    def __init__(self, address, timeout=20):
        self.address = address
        self.timeout = timeout
        self.connection = None
        self.retries = 0

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        if self.connection:
            self.connection.close()
            self.connection = None

    def request(self, **about):
        reused = self.connection is not None
        if not reused:
            self.connection = Connection(self.address, self.timeout)
        try:
            return self.connection.request(keep=True, **about)
        except (ConnectionClosed, BrokenPipeError, ConnectionResetError) as error:
            self.close()
            response = getattr(error, "response", None)
            if not reused or (response is not None and response.started):
                raise
            self.retries += 1
            self.connection = Connection(self.address, self.timeout)
            return self.connection.request(keep=True, **about)
        except BaseException:
            self.close()
            raise
