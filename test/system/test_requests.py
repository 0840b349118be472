"""What a Rack app is given, and what of its answer arrives."""

import hashlib
import itertools

import pytest

import fastcgi

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND", "REPORT"]
SIZES = [0, 1, 2, 127, 128, 8191, 8192, 65534, 65535, 65536, 65537, 131072, 1 << 20]
EVERY_BYTE = bytes(range(256))

APP = """
class Echo
  def initialize(input)
    @input = input
  end

  def each
    while (chunk = @input.read(65536))
      yield chunk
    end
  end
end

class Bytes
  def initialize(count)
    @count = count
    @piece = (0..255).map { |n| n.chr }.join * 256
  end

  def each
    while @count >= @piece.bytesize
      yield @piece
      @count -= @piece.bytesize
    end
    yield @piece.byteslice(0, @count) if @count > 0
  end
end

class Closing
  def initialize(errors)
    @errors = errors
  end

  def each
    yield "one"
    yield ""
    yield "two"
  end

  def close
    @errors.puts "body closed"
  end
end

def dump(env)
  env.map do |key, value|
    "#{key}=#{value.is_a?(String) ? value.bytes.map { |byte| byte.to_s(16) }.join(" ") : value.class}"
  end.join("\\n")
end

def reading(env)
  input = env["rack.input"]
  lines = []
  input.each { |line| lines << line }
  [200, {}, [lines.map { |line| "<#{line}>" }.join]]
end

routes = {
  "/echo" => ->(env) { [200, { "content-type" => "application/octet-stream" }, [env["rack.input"].read]] },
  "/echo-stream" => ->(env) { [200, {}, Echo.new(env["rack.input"])] },
  "/env" => ->(env) { [200, { "content-type" => "text/plain" }, [dump(env)]] },
  "/method" => ->(env) { [200, { "x-method" => env["REQUEST_METHOD"] }, [env["REQUEST_METHOD"]]] },
  "/bytes" => ->(env) { [200, {}, Bytes.new(env["QUERY_STRING"].to_i)] },
  "/one-string" => ->(env) { [200, {}, ["x" * env["QUERY_STRING"].to_i]] },
  "/status" => ->(env) {
    headers = { "content-type" => "text/plain", "content-length" => "4", "x-kept" => "yes" }
    [env["QUERY_STRING"].to_i, headers, ["body"]]
  },
  "/closing" => ->(env) { [200, {}, Closing.new(env["rack.errors"])] },
  "/callable" => ->(env) { [200, {}, ->(stream) { stream.write("by "); stream << "stream"; stream.close }] },
  "/empty" => ->(env) { [200, {}, []] },
  "/lines" => ->(env) { reading(env) },
  "/gets" => ->(env) {
    input = env["rack.input"]
    first = input.gets
    rest = input.read(3)
    [200, {}, [[first, rest, input.read, input.gets, input.read(1), input.read].map { |v| v.inspect }.join(" ")]]
  },
  "/read-buffer" => ->(env) {
    buffer = "old"
    env["rack.input"].read(4, buffer)
    [200, {}, [buffer]]
  },
  "/errors" => ->(env) {
    env["rack.errors"].puts "said by rack.errors"
    env["rack.errors"].write "written in "
    env["rack.errors"].write "two parts\\n"
    env["rack.errors"].flush
    [200, {}, ["ok"]]
  },
  "/header" => ->(env) { [200, { "x-length" => "v" * env["QUERY_STRING"].to_i }, ["ok"]] },
  "/header-in" => ->(env) { [200, {}, [env["HTTP_X_BIG"].bytesize.to_s]] },
  "/rack2" => ->(env) {
    [200, { "Content-Type" => "text/plain", "X-Mixed" => "1", "Set-Cookie" => "a=1\\nb=2" }, ["ok"]]
  },
  "/rack3" => ->(env) { [200, { "set-cookie" => ["a=1", "b=2"], "rack.internal" => "no" }, ["ok"]] },
  "/string-status" => ->(env) { ["201", {}, ["ok"]] },
}
run ->(env) { routes[env["PATH_INFO"]] ? routes[env["PATH_INFO"]].call(env) : [404, {}, ["no " + env["PATH_INFO"]]] }
"""

# Answers that no handler may pass on. Values: what the header hash or the answer is.
REFUSED_ANSWERS = {
    "carriage return and line feed in a value": '[200, { "x-a" => "b\\r\\nset-cookie: evil=1" }, ["x"]]',
    "carriage return in a value": '[200, { "x-a" => "b\\rset-cookie: evil=1" }, ["x"]]',
    "NUL in a value": '[200, { "x-a" => "b\\0c" }, ["x"]]',
    "carriage return in one of several values": '[200, { "x-a" => ["b", "c\\r\\nset-cookie: evil=1"] }, ["x"]]',
    "line break in a name": '[200, { "x-a: 1\\r\\nset-cookie" => "evil=1" }, ["x"]]',
    "line feed in a name": '[200, { "x-a: 1\\nset-cookie" => "evil=1" }, ["x"]]',
    "colon in a name": '[200, { "set-cookie:x" => "evil=1" }, ["x"]]',
    "empty name": '[200, { "" => "evil=1" }, ["x"]]',
    "a status below 100": '[99, {}, ["x"]]',
    "no status": '[nil, {}, ["x"]]',
    "an interim status": '[103, {}, ["x"]]',
    "no array": "nil",
    "a short array": "[200, {}]",
    "no body": "[200, {}, nil]",
    "no headers": '[200, nil, ["x"]]',
    "a header value that is no string": '[200, { "x-a" => Object.new }, ["x"]]',
    "a body of integers": "[200, {}, [1, 2]]",
}


def refused_app():
    whens = "".join("  when %r then %s\n" % (str(n), answer) for n, answer in enumerate(REFUSED_ANSWERS.values()))
    return "run ->(env) {\n  case env['QUERY_STRING']\n%s  else [200, {}, ['fine']]\n  end\n}\n" % whens


@pytest.fixture(scope="module")
def herd(module_cowherd):
    module_cowherd.app(APP)
    module_cowherd.app(refused_app(), host="refused.test")
    return module_cowherd.start()


def env_of(response):
    assert response.status == 200, response
    entries = dict(line.partition("=")[::2] for line in response.text.split("\n"))
    return {
        name: bytes(int(byte, 16) for byte in value.split()) if not value[:1].isupper() else value
        for name, value in entries.items()
    }


def pattern(size):
    return (EVERY_BYTE * (size // 256 + 1))[:size]


# -- methods, statuses


@pytest.mark.parametrize("method", METHODS)
def test_every_method_reaches_the_app(herd, method):
    response = herd.request("/method", method=method)
    assert response.status == 200
    assert response.header("x-method") == method
    assert response.body == (b"" if method == "HEAD" else method.encode())


def test_every_response_has_a_status_line_and_its_length(herd):
    response = herd.request("/method")
    assert response.head_text.split("\r\n")[0] == "Status: 200 OK"
    assert response.header("content-length") == "3"
    assert (response.app_status, response.protocol_status) == (0, fastcgi.REQUEST_COMPLETE)
    assert response.stderr == b""


@pytest.mark.parametrize("uri", ["/bytes?100000", "/closing", "/callable", "/one-string?70000"])
def test_head_has_no_body_whatever_the_body_is(herd, uri):
    response = herd.request(uri, method="HEAD")
    assert (response.status, response.size) == (200, 0)


@pytest.mark.parametrize("status", [204, 304])
def test_204_and_304_have_neither_body_nor_length_nor_type(herd, status):
    response = herd.request("/status?%d" % status)
    assert response.status == status
    assert response.size == 0
    assert response.all("content-length") == [] and response.all("content-type") == []
    assert response.header("x-kept") == "yes"


@pytest.mark.parametrize(
    "status, reason",
    [(200, "OK"), (201, "Created"), (302, "Found"), (404, "Not Found"), (503, "Service Unavailable")],
)
def test_statuses_arrive_with_their_phrase(herd, status, reason):
    response = herd.request("/status?%d" % status)
    assert (response.status, response.reason, response.body) == (status, reason, b"body")


def test_a_status_without_a_phrase_arrives(herd):
    assert herd.request("/status?299").status == 299


def test_an_empty_body_is_a_whole_answer(herd):
    response = herd.request("/empty")
    assert (response.status, response.size, response.header("content-length")) == (200, 0, "0")


# -- bodies


@pytest.mark.parametrize("size", SIZES)
def test_bodies_of_every_size_come_back_unchanged(herd, size):
    body = pattern(size)
    response = herd.request("/echo", method="POST", body=body)
    assert response.size == size
    assert response.body == body
    assert response.header("content-length") == str(size)


@pytest.mark.parametrize("size", SIZES)
def test_streamed_bodies_of_every_size_come_back_unchanged(herd, size):
    body = pattern(size)
    assert herd.request("/echo-stream", method="POST", body=body).body == body


@pytest.mark.parametrize("size", SIZES)
def test_long_answers_of_every_size_arrive(herd, size):
    assert herd.request("/bytes?%d" % size).body == pattern(size)
    assert herd.request("/one-string?%d" % size).body == b"x" * size


def test_bodies_in_one_byte_records_arrive(herd):
    body = pattern(3000)
    response = herd.request("/echo", method="POST", body=(bytes([byte]) for byte in body), body_length=len(body))
    assert response.body == body


def test_100_mb_go_up_and_come_down_with_the_same_checksum(herd):
    chunk = hashlib.sha512(b"seed").digest() * 1024
    count = (100 << 20) // len(chunk)
    up, down = hashlib.sha256(), hashlib.sha256()

    def body():
        for number in range(count):
            piece = number.to_bytes(8, "big") + chunk[8:]
            up.update(piece)
            yield piece

    length = count * len(chunk)
    about = {"body": body(), "body_length": length, "sink": down.update}
    response = herd.request("/echo-stream", method="POST", timeout=60, **about)
    assert (response.status, response.size) == (200, length)
    assert up.hexdigest() == down.hexdigest()


def test_100_mb_come_down(herd):
    size = 100 << 20
    down, expected = hashlib.sha256(), hashlib.sha256()
    response = herd.request("/bytes?%d" % size, sink=down.update, timeout=60)
    for _ in range(size >> 16):
        expected.update(EVERY_BYTE * 256)
    assert response.size == size
    assert down.hexdigest() == expected.hexdigest()


def test_a_slow_reader_gets_everything(herd):
    """The client takes nothing until the socket buffers are full, then all of it."""
    size = 8 << 20
    with herd.connect() as connection:
        response = connection.start(uri="/bytes?%d" % size)
        herd.wait_until(lambda: any(w["state"] == "busy" for w in herd.workers()))
        assert herd.request("/method").status == 200
        connection.read_response(response)
    assert response.body == pattern(size)


def test_the_body_object_is_closed_after_its_chunks(herd):
    before = len(herd.log_lines("body closed"))
    assert herd.request("/closing").body == b"onetwo"
    herd.wait_until(lambda: len(herd.log_lines("body closed")) > before)


def test_a_callable_body_writes_to_a_stream(herd):
    assert herd.request("/callable").body == b"by stream"


# -- streaming


STREAMING = """
class Piecewise
  def each
    yield "one\\n"
    File.open("%s") { |f| f.read }
    yield "two\\n"
    File.open("%s") { |f| f.read }
    yield "three\\n"
  end
end
run ->(env) { [200, {}, Piecewise.new] }
"""


def test_a_streamed_answer_arrives_piece_by_piece(cowherd):
    first, second = cowherd.fifo(), cowherd.fifo()
    cowherd.app(STREAMING % (first, second))
    cowherd.start()
    with cowherd.connect() as connection:
        response = connection.start()
        connection.read_until(response, lambda r: r.body == b"one\n")
        first.release()
        connection.read_until(response, lambda r: r.body == b"one\ntwo\n")
        assert not response.complete
        second.release()
        connection.read_response(response)
    assert response.body == b"one\ntwo\nthree\n"


def test_an_upload_is_read_while_it_arrives(herd):
    """An echo gives the first part back before the second is sent; the announced length is far above what waits."""
    part = pattern(256 << 10)
    with herd.connect() as connection:
        connection.send(fastcgi.head(method="POST", uri="/echo-stream", body_length=2 * len(part)))
        response = fastcgi.Response()
        connection.send(fastcgi.stream(fastcgi.STDIN, part, close=False))
        connection.read_until(response, lambda r: r.size >= len(part) // 2)
        connection.send(fastcgi.stream(fastcgi.STDIN, part))
        connection.read_response(response)
    assert response.body == part + part


# -- env


def test_the_env_follows_rack(herd):
    env = env_of(herd.request("/env?a=1&b=%20", headers={"X-Custom": "yes", "Proxy": "evil"}, host="Example.org:8080"))
    assert env["REQUEST_METHOD"] == b"GET"
    assert env["SCRIPT_NAME"] == b""
    assert env["PATH_INFO"] == b"/env"
    assert env["QUERY_STRING"] == b"a=1&b=%20"
    assert env["SERVER_PROTOCOL"] == b"HTTP/1.1"
    assert env["SERVER_NAME"] and env["SERVER_PORT"] == b"80"
    assert env["HTTP_HOST"] == b"Example.org:8080"
    assert env["HTTP_X_CUSTOM"] == b"yes"
    assert env["REMOTE_ADDR"] == b"127.0.0.1"
    assert env["rack.url_scheme"] == b"http"
    for absent in ("HTTP_PROXY", "HTTP_CONTENT_TYPE", "HTTP_CONTENT_LENGTH", "CONTENT_LENGTH"):
        assert absent not in env
    assert "rack.input" in env and "rack.errors" in env


def test_the_query_string_is_there_when_there_is_none(herd):
    assert env_of(herd.request("/env"))["QUERY_STRING"] == b""
    assert env_of(herd.request("/env", params={"QUERY_STRING": None}))["QUERY_STRING"] == b""


@pytest.mark.parametrize("params", [{"HTTPS": "on"}, {"REQUEST_SCHEME": "https"}])
def test_https_is_seen(herd, params):
    assert env_of(herd.request("/env", params=params))["rack.url_scheme"] == b"https"


def test_content_headers_have_their_rack_names(herd):
    headers = {"Content-Type": "text/x-test"}
    env = env_of(herd.request("/env", method="POST", body=b"12345", headers=headers))
    assert (env["CONTENT_TYPE"], env["CONTENT_LENGTH"]) == (b"text/x-test", b"5")
    assert "HTTP_CONTENT_TYPE" not in env and "HTTP_CONTENT_LENGTH" not in env


def test_the_path_comes_from_the_request_uri_decoded(herd):
    env = env_of(herd.request("/e%6ev", params={"SCRIPT_NAME": "/index.cgi", "PATH_INFO": "/wrong"}))
    assert (env["SCRIPT_NAME"], env["PATH_INFO"]) == (b"", b"/env")


def test_of_parameters_that_come_twice_the_last_counts(herd):
    extra = [("HTTP_X_TWICE", "first"), ("HTTP_X_TWICE", "last"), ("QUERY_STRING", "later=1")]
    env = env_of(herd.request("/env?sooner=1", extra_params=extra))
    assert env["HTTP_X_TWICE"] == b"last"
    assert env["QUERY_STRING"] == b"later=1"


def test_values_may_hold_any_byte_but_nul(herd):
    cookie = bytes(range(1, 256))
    assert env_of(herd.request("/env", headers={"Cookie": cookie}))["HTTP_COOKIE"] == cookie


@pytest.mark.parametrize("length", [0, 1, 127, 128, 255, 256, 16383, 16384, 60000])
def test_headers_of_every_length_reach_the_app(herd, length):
    assert herd.request("/header-in", headers={"X-Big": "h" * length}).text == str(length)


@pytest.mark.parametrize("length", [0, 1, 127, 128, 8191, 8192, 65535, 65536, 1 << 20])
def test_headers_of_every_length_come_back(herd, length):
    response = herd.request("/header?%d" % length)
    assert response.header("x-length") == "v" * length
    assert response.body == b"ok"


def test_parameters_in_tiny_records_are_put_together(herd):
    content = fastcgi.pairs(fastcgi.cgi_params(uri="/env", headers={"X-Long": "y" * 300}))
    for size in (1, 2, 7, 8, 127):
        with herd.connect() as connection:
            connection.send(
                fastcgi.begin(),
                fastcgi.stream(fastcgi.PARAMS, content, piece=size),
                fastcgi.record(fastcgi.STDIN),
            )
            response = connection.read_response(fastcgi.Response())
            assert env_of(response)["HTTP_X_LONG"] == b"y" * 300


def test_padding_is_skipped(herd):
    content = fastcgi.pairs(fastcgi.cgi_params(method="POST", uri="/echo", body_length=3))
    with herd.connect() as connection:
        connection.send(
            fastcgi.record(fastcgi.BEGIN_REQUEST, 1, b"\0\1\0\0\0\0\0\0", padding=255),
            fastcgi.record(fastcgi.PARAMS, 1, content, padding=7),
            fastcgi.record(fastcgi.PARAMS, 1, b"", padding=8),
            fastcgi.record(fastcgi.STDIN, 1, b"abc", padding=5),
            fastcgi.record(fastcgi.STDIN, 1, b"", padding=1),
        )
        assert connection.read_response(fastcgi.Response()).body == b"abc"


@pytest.mark.parametrize("request_id", [1, 2, 255, 256, 65535])
def test_every_request_id_is_answered_as_itself(herd, request_id):
    assert herd.request("/echo", method="POST", body=b"abc", request_id=request_id).body == b"abc"


# -- rack.input


def test_rack_input_gives_lines(herd):
    response = herd.request("/lines", method="POST", body=b"one\ntwo\n\nlast")
    assert response.text == "<one\n><two\n><\n><last>"


def test_rack_input_reads_as_promised_up_to_its_end(herd):
    response = herd.request("/gets", method="POST", body=b"line\nabcdef")
    assert response.text == '"line\\n" "abc" "def" nil nil ""'


def test_rack_input_reads_into_a_buffer(herd):
    assert herd.request("/read-buffer", method="POST", body=b"1234567").text == "1234"


def test_rack_input_of_a_request_without_a_body_is_empty(herd):
    assert herd.request("/echo").body == b""
    assert herd.request("/gets").text == 'nil nil "" nil nil ""'


# -- rack.errors, headers of the answer


def test_rack_errors_goes_to_the_log_with_pool_worker_and_app(herd):
    herd.request("/errors", host="localhost")
    line = herd.wait_log("said by rack.errors")[-1]
    assert "[web/" in line and "*/" in line
    assert any("[web/%d %d" % (worker["slot"], worker["pid"]) in line for worker in herd.workers()), line
    herd.wait_log("written in two parts")


def test_header_arrays_become_several_lines_and_rack_keys_stay_inside(herd):
    response = herd.request("/rack3")
    assert response.all("set-cookie") == ["a=1", "b=2"]
    assert not [name for name, _ in response.headers if name.startswith("rack.")]


def test_rack_2_habits_are_accepted(herd):
    response = herd.request("/rack2")
    assert response.all("set-cookie") == ["a=1", "b=2"]
    assert (response.header("content-type"), response.header("x-mixed")) == ("text/plain", "1")


@pytest.mark.parametrize("number, what", enumerate(REFUSED_ANSWERS), ids=list(REFUSED_ANSWERS))
def test_an_answer_that_must_not_leave_becomes_500(herd, number, what):
    response = herd.request("/?%d" % number, host="refused.test")
    assert response.status == 500, what
    assert response.complete
    assert response.all("set-cookie") == []
    assert b"evil" not in response.body
    assert herd.request("/", host="refused.test").body == b"fine"


# -- the connection


def test_a_kept_connection_serves_many_requests(herd):
    with herd.client() as client:
        for size in itertools.chain(SIZES, reversed(SIZES)):
            assert client.request(method="POST", uri="/echo", body=pattern(size)).size == size
        assert client.retries == 0


def test_requests_sent_one_behind_the_other_are_answered_in_turn(herd):
    """Two requests in one write: the second must not be lost in a buffer of the first."""
    with herd.connect() as connection:
        about = {"keep": True, "method": "POST", "uri": "/echo", "body_length": 3}
        one = fastcgi.head(1, **about) + fastcgi.stream(fastcgi.STDIN, b"one", 1)
        two = fastcgi.head(2, **about) + fastcgi.stream(fastcgi.STDIN, b"two", 2)
        connection.send(one + two)
        assert connection.read_response(fastcgi.Response(1)).body == b"one"
        assert connection.read_response(fastcgi.Response(2)).body == b"two"


def test_without_keep_conn_the_connection_is_closed_after_the_answer(herd):
    with herd.connect() as connection:
        connection.request(uri="/method")
        assert connection.wait_closed() == []


def test_a_tcp_listener_serves_the_same(cowherd):
    from herd import free_port

    cowherd.app(APP)
    cowherd.configure(listen=["127.0.0.1:%d" % free_port(), cowherd.directory / "web.sock"])
    cowherd.start()
    body = pattern(1 << 20)
    for address in cowherd.pools["web"]["listen"]:
        assert fastcgi.request(address, method="POST", uri="/echo", body=body).body == body


def test_the_ledger_counts_every_request(cowherd):
    cowherd.app('run ->(env) { env["PATH_INFO"] == "/raise" ? raise("x") : [200, {}, ["ok"]] }')
    cowherd.start()
    for _ in range(5):
        cowherd.request("/")
    for _ in range(3):
        cowherd.request("/raise")
    expected = {"accepted": 8, "completed": 5, "error_answered": 3, "client_gone": 0, "lost": 0}
    cowherd.wait_until(lambda: cowherd.ledger() == expected, what=lambda: "%s, not %s" % (expected, cowherd.ledger()))
    assert sum(worker["requests"] for worker in cowherd.workers()) == 8
