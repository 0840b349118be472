"""Clients that are slow, silent or malicious: they harm nobody but themselves."""

import contextlib
import random
import statistics
import struct
import time

import pytest

import fastcgi
from fastcgi import record

APP = """
run ->(env) {
  case env["PATH_INFO"]
  when "/read" then [200, {}, [env["rack.input"].read.bytesize.to_s]]
  when "/chunks"
    total = 0
    while (chunk = env["rack.input"].read(1000))
      total += chunk.bytesize
    end
    [200, {}, [total.to_s]]
  when "/unread" then [200, {}, ["unread"]]
  when "/env" then [200, {}, [env.keys.sort.join(" ")]]
  else [200, {}, ["fine"]]
  end
}
"""
CROWD = 200
BODY_LIMIT = 65536
HEADER_LIMIT = 16384

HEAD = fastcgi.head(uri="/read", method="POST", body_length=1000)
ONE_PARAM = fastcgi.pair("REQUEST_URI", "/")


@pytest.fixture(scope="module")
def herd(module_cowherd):
    """Two workers whose clients may be late for as long as they like."""
    module_cowherd.app(APP)
    module_cowherd.configure(timeouts={"header": "60s", "body": "60s", "idle": "60s"})
    return module_cowherd.start()


@pytest.fixture(scope="module")
def strict(request):
    """Two workers that soon lose their patience, with small limits."""
    from herd import Herd

    herd = Herd()
    herd.app(APP)
    herd.configure(
        timeouts={"header": "1s", "body": "2s", "idle": "1s"},
        limits={"body": BODY_LIMIT, "header": HEADER_LIMIT},
    )
    herd.start()
    yield herd
    herd.finish()


def assert_others_are_served(herd, count=40):
    times = []
    for _ in range(count):
        started = time.monotonic()
        assert herd.request().body == b"fine"
        times.append(time.monotonic() - started)
    with herd.client() as client:
        for _ in range(count):
            assert client.request().body == b"fine"
    # (Not the slowest: a machine may stand still for a moment. Whoever waits for a deadline of the crowd's is not answered.)
    assert statistics.median(times) < 1, "the others took %s" % times


# -- crowds


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(b"", id="silent"),
        pytest.param(HEAD[:3], id="3-bytes"),
        pytest.param(HEAD[:8], id="one-header"),
        pytest.param(HEAD[:16], id="begin"),
        pytest.param(HEAD[:20], id="half-a-params-header"),
        pytest.param(HEAD[:-8], id="params-unended"),
        pytest.param(HEAD[:-1], id="one-byte-missing"),
        pytest.param(HEAD, id="no-body"),
        pytest.param(HEAD + record(fastcgi.STDIN, 1, b"x" * 500)[:200], id="half-a-body"),
        pytest.param(HEAD + record(fastcgi.STDIN, 1, b"x" * 1000), id="body-unended"),
    ],
)
def test_a_crowd_of_half_requests_delays_nobody(herd, sent):
    with herd.unharmed(), contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(herd.connect()) for _ in range(CROWD)]
        for connection in crowd:
            connection.send(sent)
        assert_others_are_served(herd)
        assert all(connection.is_open() for connection in crowd)


def test_a_crowd_of_idle_kept_connections_delays_nobody(herd):
    with herd.unharmed(), contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(herd.connect()) for _ in range(CROWD)]
        for connection in crowd:
            assert connection.request(keep=True).body == b"fine"
        assert_others_are_served(herd)
        for connection in crowd:
            assert connection.request(keep=True).body == b"fine", "and each of them is served again"


def test_half_requests_are_answered_once_they_are_whole(herd):
    with herd.unharmed(), contextlib.ExitStack() as stack:
        crowd = [stack.enter_context(herd.connect()) for _ in range(50)]
        request = HEAD + fastcgi.stream(fastcgi.STDIN, b"x" * 1000)
        for start in range(0, len(request), 97):
            for connection in crowd:
                connection.send(request[start : start + 97])
        for connection in crowd:
            assert connection.read_response(fastcgi.Response()).body == b"1000"


def test_a_request_byte_by_byte_is_answered(herd):
    request = fastcgi.head(uri="/read", method="POST", body_length=3) + fastcgi.stream(fastcgi.STDIN, b"abc")
    with herd.unharmed(), herd.connect() as connection:
        for at in range(len(request)):
            connection.send(request[at : at + 1])
        assert connection.read_response(fastcgi.Response()).body == b"3"


def test_clients_that_leave_at_every_point_harm_nobody(herd):
    request = HEAD + fastcgi.stream(fastcgi.STDIN, b"x" * 1000)
    with herd.unharmed():
        for at in range(0, len(request), 13):
            with herd.connect() as connection:
                connection.send(request[:at])
        for _ in range(20):  # the answer finds nobody
            with herd.connect() as connection:
                connection.send(request)


def test_a_client_that_leaves_in_the_middle_of_a_long_answer_is_counted_as_gone(cowherd):
    cowherd.app("""
        class Long
          def each
            2000.times { yield "x" * 65536 }
          end
        end
        run ->(env) { env["PATH_INFO"] == "/long" ? [200, {}, Long.new] : [200, {}, ["fine"]] }
    """)
    cowherd.start()
    with cowherd.unharmed():
        with cowherd.connect() as connection:
            response = connection.start(uri="/long")
            connection.read_until(response, lambda r: r.size > 100000)
        cowherd.wait_until(lambda: cowherd.ledger()["client_gone"] == 1, what=lambda: cowherd.ledger())


# -- deadlines


@pytest.mark.parametrize("sent", [b"", HEAD[:8], HEAD[:20], HEAD[:-1]], ids=["silent", "begin", "params", "almost"])
def test_a_head_that_is_late_is_given_up(strict, sent):
    with strict.unharmed():
        started = time.monotonic()
        with strict.connect() as connection:
            connection.send(sent)
            connection.wait_closed()
        assert time.monotonic() - started > 0.5


def test_a_trickle_does_not_stretch_the_deadline_of_a_head(strict):
    with strict.unharmed(), strict.connect(timeout=10) as connection:
        connection.send(HEAD[:16])
        for byte in HEAD[16:]:
            if not connection.try_send(bytes([byte])) or not connection.is_open():
                break
            try:
                connection.receive_record(timeout=0.05)
            except TimeoutError:
                pass
            except (ConnectionResetError, fastcgi.ConnectionClosed):
                break
        else:
            pytest.fail("all of it was taken, a byte every 50 ms")


def test_an_idle_kept_connection_is_closed_after_its_time(strict):
    with strict.unharmed(), strict.connect(timeout=10) as connection:
        connection.request(keep=True)
        assert connection.wait_closed() == []


@pytest.mark.parametrize("body", [b"", b"x" * 100, b"x" * 30000], ids=["none", "small", "large"])
def test_a_body_that_is_late_is_given_up(strict, body):
    with strict.unharmed(), strict.connect(timeout=10) as connection:
        connection.send(fastcgi.head(uri="/read", method="POST", body_length=60000))
        connection.send(fastcgi.stream(fastcgi.STDIN, body, close=False))
        response = fastcgi.Response()
        with contextlib.suppress(fastcgi.ConnectionClosed):
            connection.read_response(response)
        assert response.status in (None, 408, 500), response


# -- malformed records


def begin_with(content, **about):
    return record(fastcgi.BEGIN_REQUEST, 1, content, **about)


def params_with(content, **about):
    params = record(fastcgi.PARAMS, 1, content, **about) + record(fastcgi.PARAMS)
    return fastcgi.begin() + params + record(fastcgi.STDIN)


POST = fastcgi.head(uri="/read", method="POST")
HUGE = struct.pack(">II", 0xFFFFFFFE, 0xFFFFFFFE)  # two lengths of 0x7ffffffe
MALFORMED = {
    "http": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "tls": bytes.fromhex("16030100c8010000c40303") + b"\x5a" * 200,
    "zeroes": b"\0" * 64,
    "ones": b"\xff" * 64,
    "version-0": record(fastcgi.BEGIN_REQUEST, 1, b"\0\1\0\0\0\0\0\0", version=0),
    "version-2": record(fastcgi.BEGIN_REQUEST, 1, b"\0\1\0\0\0\0\0\0", version=2),
    "version-changes": fastcgi.begin() + record(fastcgi.PARAMS, 1, ONE_PARAM, version=2),
    "begin-empty": begin_with(b""),
    "begin-short": begin_with(b"\0\1\0"),
    "begin-long": begin_with(b"\0\1\0\0\0\0\0\0" * 2),
    "begin-for-id-0": record(fastcgi.BEGIN_REQUEST, 0, b"\0\1\0\0\0\0\0\0"),
    "begin-twice": fastcgi.begin() + fastcgi.begin(),
    "params-first": record(fastcgi.PARAMS, 1, ONE_PARAM),
    "stdin-first": record(fastcgi.STDIN, 1, b"abc"),
    "stdin-before-params-end": fastcgi.begin()
    + record(fastcgi.PARAMS, 1, ONE_PARAM)
    + record(fastcgi.STDIN, 1, b"abc"),
    "data-first": record(fastcgi.DATA, 1, b"abc"),
    "stdout-from-a-client": record(fastcgi.STDOUT, 1, b"abc"),
    "end-from-a-client": record(fastcgi.END_REQUEST, 1, b"\0" * 8),
    "end-inside-a-head": fastcgi.begin() + record(fastcgi.END_REQUEST, 1, b"\0" * 8),
    "unknown-type-with-an-id": record(99, 1, b"abc"),
    "begin-and-params-of-another-id-inside-a-body": HEAD
    + fastcgi.begin(2)
    + fastcgi.stream(fastcgi.PARAMS, ONE_PARAM, 2),
    "params-of-another-id": fastcgi.begin(1) + record(fastcgi.PARAMS, 2, ONE_PARAM) + record(fastcgi.PARAMS, 2),
    "name-past-the-end": params_with(b"\x7f\x01abc"),
    "value-past-the-end": params_with(b"\x01\x7fabc"),
    "only-one-length": params_with(b"\x05"),
    "half-a-long-length": params_with(b"\x80\x00"),
    "huge-lengths": params_with(HUGE + b"abc"),
    "huge-name": params_with(b"\xff\xff\xff\xff\x01abc"),
    "huge-value": params_with(b"\x01\xff\xff\xff\xffabc"),
    "lengths-summing-to-0": params_with(struct.pack(">II", 0xFFFFFFFF, 0x80000001) + b"abc"),
    "get-values-huge-lengths": record(fastcgi.GET_VALUES, 0, HUGE + b"abc"),
    "get-values-name-past-the-end": record(fastcgi.GET_VALUES, 0, b"\x7f\x00abc"),
    "get-values-20-names": record(fastcgi.GET_VALUES, 0, fastcgi.pairs(("FCGI_MAX_CONNS", "") for _ in range(20))),
    "get-values-20-long-names": record(fastcgi.GET_VALUES, 0, fastcgi.pairs(("N%d" % n * 9, "v") for n in range(20))),
    "get-values-2000-names": record(fastcgi.GET_VALUES, 0, fastcgi.pairs(("N%d" % n, "") for n in range(2000))),
    "get-values-with-an-id": record(fastcgi.GET_VALUES, 1, fastcgi.pair("FCGI_MAX_CONNS", "")),
    "get-values-inside-a-head": fastcgi.begin() + record(fastcgi.GET_VALUES, 0, HUGE) + record(fastcgi.PARAMS),
    "nul-in-a-value": params_with(fastcgi.pairs(fastcgi.cgi_params()) + fastcgi.pair("HTTP_X", b"a\0b")),
    "nul-in-a-name": params_with(fastcgi.pairs(fastcgi.cgi_params()) + fastcgi.pair(b"HTTP\0X", b"a")),
    "equals-in-a-name": params_with(fastcgi.pairs(fastcgi.cgi_params()) + fastcgi.pair("REMOTE_USER=admin;", "x")),
    "empty-name": params_with(fastcgi.pairs(fastcgi.cgi_params()) + fastcgi.pair("", "x")),
    "role-0": fastcgi.head(role=0) + record(fastcgi.STDIN),
    "role-filter": fastcgi.head(role=fastcgi.FILTER) + record(fastcgi.STDIN) + record(fastcgi.DATA),
    "role-99": fastcgi.head(role=99) + record(fastcgi.STDIN),
    "no-params-at-all": params_with(b""),
    "no-method": params_with(fastcgi.pairs(fastcgi.cgi_params(params={"REQUEST_METHOD": None}))),
    "no-uri": params_with(
        fastcgi.pairs(fastcgi.cgi_params(params={"REQUEST_URI": None, "PATH_INFO": None, "DOCUMENT_URI": None}))
    ),
    "garbage-behind-a-head": fastcgi.head(uri="/read", method="POST", body_length=10) + b"garbage " * 20,
    "version-changes-in-the-body": POST + record(fastcgi.STDIN, 1, b"a", version=7),
    "body-of-another-id": POST + record(fastcgi.STDIN, 2, b"a") + record(fastcgi.STDIN, 2),
    "params-inside-the-body": POST + record(fastcgi.PARAMS, 1, HUGE) + record(fastcgi.STDIN),
    "begin-inside-the-body": POST + fastcgi.begin(1) + record(fastcgi.STDIN),
    "huge-get-values-inside-the-body": POST
    + record(fastcgi.GET_VALUES, 0, HUGE + b"abc")
    + record(fastcgi.GET_VALUES, 0, fastcgi.pairs(("FCGI_MAX_CONNS", "") for _ in range(20)))
    + record(fastcgi.STDIN),
    "abort-before-begin": record(fastcgi.ABORT_REQUEST, 1),
    "abort-inside-a-head": fastcgi.begin() + record(fastcgi.PARAMS, 1, ONE_PARAM) + record(fastcgi.ABORT_REQUEST, 1),
    "abort-inside-a-body": HEAD + record(fastcgi.STDIN, 1, b"abc") + record(fastcgi.ABORT_REQUEST, 1),
}
NEVER_SUCCEEDS = {
    "nul-in-a-value", "nul-in-a-name", "equals-in-a-name", "role-0", "role-filter", "role-99", "no-params-at-all",
    "huge-lengths", "huge-name", "huge-value", "lengths-summing-to-0", "name-past-the-end", "value-past-the-end",
}  # fmt: skip


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_records_are_refused_and_harm_nobody(strict, name):
    with strict.unharmed(), strict.connect(timeout=10) as connection:
        connection.try_send(MALFORMED[name])
        records = connection.wait_closed()
    if name in NEVER_SUCCEEDS:
        assert b"Status: 200" not in b"".join(item.content for item in records if item.type == fastcgi.STDOUT)


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_records_behind_a_good_request_harm_nobody(strict, name):
    with strict.unharmed(), strict.connect(timeout=10) as connection:
        assert connection.request(keep=True, request_id=1).body == b"fine"
        connection.try_send(MALFORMED[name])
        connection.wait_closed()


@pytest.mark.parametrize("role", [0, fastcgi.FILTER, 99])
def test_an_unknown_role_is_answered_as_such(strict, role):
    with strict.connect() as connection:
        connection.send(fastcgi.head(role=role) + record(fastcgi.STDIN))
        response = connection.read_response(fastcgi.Response())
    assert (response.protocol_status, response.size) == (fastcgi.UNKNOWN_ROLE, 0)


@pytest.mark.parametrize("sent", [0, 2000, 50000])
def test_a_second_request_inside_a_first_is_answered_with_cant_mpx_conn(strict, sent):
    """Before the body, inside a small one (which waits in the gate), inside a large one (which is being read)."""
    first = fastcgi.head(1, keep=True, uri="/read", method="POST", body_length=sent + 3)
    with strict.unharmed(), strict.connect() as connection:
        connection.send(first + fastcgi.stream(fastcgi.STDIN, b"x" * sent, 1, close=False))
        connection.send(fastcgi.begin(2, keep=True))
        refusal = connection.receive_record()
        assert (refusal.type, refusal.request_id) == (fastcgi.END_REQUEST, 2)
        assert refusal.content[4] == fastcgi.CANT_MULTIPLEX
        # What becomes of the first request is the server's choice: answered, or given up with the connection.
        if connection.try_send(fastcgi.stream(fastcgi.STDIN, b"abc", 1)):
            with contextlib.suppress(fastcgi.ConnectionClosed):
                assert connection.read_response(fastcgi.Response(1)).text == str(sent + 3)


def test_get_values_is_answered(strict):
    names = ["FCGI_MAX_CONNS", "FCGI_MAX_REQS", "FCGI_MPXS_CONNS", "UNKNOWN"]
    with strict.unharmed(), strict.connect() as connection:
        connection.send(record(fastcgi.GET_VALUES, 0, fastcgi.pairs((name, "") for name in names)))
        answer = connection.receive_record()
        assert (answer.type, answer.request_id) == (fastcgi.GET_VALUES_RESULT, 0)
        values = dict(fastcgi.parse_pairs(answer.content))
        assert values[b"FCGI_MPXS_CONNS"] == b"0"
        assert set(values) <= {name.encode() for name in names[:3]}
        assert connection.request().body == b"fine", "and the connection serves on"


def test_an_unknown_management_record_is_answered_with_unknown_type(strict):
    with strict.unharmed(), strict.connect() as connection:
        connection.send(record(77, 0, b"abc"))
        answer = connection.receive_record()
        assert (answer.type, answer.request_id, answer.content[0]) == (fastcgi.UNKNOWN_TYPE, 0, 77)
        assert connection.request().body == b"fine"


def test_a_flood_of_small_records_harms_nobody(strict):
    floods = [
        record(fastcgi.ABORT_REQUEST, 1) * 5000,
        record(fastcgi.STDIN, 1) * 5000,
        record(fastcgi.GET_VALUES, 0, fastcgi.pair("FCGI_MAX_CONNS", "")) * 2000,
        record(77, 0) * 5000,
        (fastcgi.head(role=99, keep=True) + record(fastcgi.STDIN)) * 500,
    ]
    with strict.unharmed():
        for flood in floods:
            with strict.connect() as connection:
                connection.try_send(flood)
                assert_others_are_served(strict, 5)


@pytest.mark.parametrize("seed", range(4))
def test_mutated_requests_harm_nobody(strict, seed):
    """Whole requests with some bytes changed, removed, repeated or put in; the seed makes them the same every time."""
    source = random.Random(seed)
    good = [
        HEAD + fastcgi.stream(fastcgi.STDIN, b"x" * 1000),
        fastcgi.head(uri="/env", headers={"X": "y" * 200}) + record(fastcgi.STDIN),
        record(fastcgi.GET_VALUES, 0, fastcgi.pair("FCGI_MAX_CONNS", "")) + fastcgi.head() + record(fastcgi.STDIN),
    ]
    with strict.unharmed():
        for _ in range(250):
            message = bytearray(source.choice(good))
            for _ in range(source.randint(1, 4)):
                # Mostly near the start, where the headers and lengths are.
                at = min(int(source.expovariate(1 / 60)), len(message) - 1)
                kind = source.randrange(4)
                if kind == 0:
                    message[at] = source.choice([0, 1, 0x7F, 0x80, 0xFF, source.randrange(256)])
                elif kind == 1:
                    del message[at : at + source.randint(1, 8)]
                elif kind == 2:
                    message[at:at] = message[at : at + source.randint(1, 40)]
                else:
                    message[at:at] = source.randbytes(source.randint(1, 8))
            with strict.connect() as connection:
                connection.try_send(bytes(message))
                connection.shutdown_write()
                try:
                    connection.receive_record(timeout=0.005)
                except (TimeoutError, ConnectionResetError):
                    pass


# -- limits


def test_a_head_over_the_limit_is_refused(strict):
    for size in (HEADER_LIMIT + 1, 4 * HEADER_LIMIT, 1 << 20):
        with strict.unharmed(), strict.connect() as connection:
            try:
                response = connection.request(headers={"X-Big": "x" * size})
                assert response.status in (400, 413, 431), response
            except fastcgi.ConnectionClosed as error:
                assert not error.response.started


def test_a_head_below_the_limit_is_served(strict):
    assert strict.request(headers={"X-Big": "x" * (HEADER_LIMIT - 1500)}).body == b"fine"


def test_params_without_end_are_cut_off(strict):
    with strict.unharmed(), strict.connect() as connection:
        piece = record(fastcgi.PARAMS, 1, fastcgi.pair("N", "x" * 5000))
        assert connection.try_send(fastcgi.begin())
        for _ in range(1000):
            if not connection.try_send(piece) or not connection.is_open():
                break
        else:
            pytest.fail("5 MB of parameters were taken")


@pytest.mark.parametrize("uri", ["/read", "/chunks"])
@pytest.mark.parametrize("announced", ["honestly", "as less", "as nothing", "as nonsense"])
def test_a_body_over_the_limit_is_413(strict, uri, announced):
    size = BODY_LIMIT + 1
    length = {"honestly": size, "as less": 10, "as nothing": "", "as nonsense": "-1"}[announced]
    with strict.unharmed():
        response = strict.request(uri, method="POST", body=b"x" * size, body_length=length)
        assert (response.status, response.complete) == (413, True)


def test_a_body_far_over_the_limit_is_413_or_cut_off(strict):
    with strict.unharmed(), strict.connect() as connection:
        try:
            assert connection.request(uri="/read", method="POST", body=b"x" * (20 << 20)).status == 413
        except fastcgi.ConnectionClosed as error:
            assert error.response.status in (413, None)


def test_a_body_of_exactly_the_limit_is_served(strict):
    for uri in ("/read", "/chunks"):
        assert strict.request(uri, method="POST", body=b"x" * BODY_LIMIT).text == str(BODY_LIMIT)


@pytest.mark.parametrize("length", [None, "", "0", "3", "5", "1000", "-1", "99999999999999999999", "abc", " 5", "5, 5"])
def test_the_end_of_stdin_is_the_end_of_the_body_whatever_content_length_says(strict, length):
    with strict.unharmed():
        response = strict.request("/read", method="POST", body=b"12345", params={"CONTENT_LENGTH": length})
        assert response.status in (200, 400)
        assert response.status == 400 or response.text == "5"
        if length in (None, "", "5", "3", "1000", "-1"):
            assert response.text == "5"


# -- leftovers on kept connections


@pytest.mark.parametrize("size", [1, 10000, 65000])
def test_a_body_that_the_app_leaves_unread_does_not_poison_the_next_request(strict, size):
    body = fastcgi.head(2, keep=True, uri="/evil") + fastcgi.stream(fastcgi.STDIN, b"", 2)
    body = (body * (size // len(body) + 1))[:size]
    with strict.unharmed(), strict.client() as client:
        for _ in range(5):
            assert client.request(uri="/unread", method="POST", body=body).body == b"unread"
            assert client.request(uri="/read", method="POST", body=b"123").body == b"3"


def test_a_large_unread_body_is_drained_or_the_connection_closed(herd):
    with herd.unharmed(), herd.client() as client:
        for _ in range(3):
            assert client.request(uri="/unread", method="POST", body=b"x" * (4 << 20)).body == b"unread"
            assert client.request(uri="/read", method="POST", body=b"123").body == b"3"


@pytest.mark.parametrize("same_id", [True, False])
def test_a_late_abort_does_not_touch_the_next_request(strict, same_id):
    with strict.unharmed(), strict.connect() as connection:
        for number in range(1, 20):
            request_id = 1 if same_id else number
            assert connection.request(keep=True, request_id=request_id).body == b"fine"
            connection.send(record(fastcgi.ABORT_REQUEST, request_id), record(fastcgi.STDIN, request_id))


def test_an_abort_ends_the_request_it_belongs_to(strict):
    with strict.unharmed(), strict.connect() as connection:
        connection.send(fastcgi.head(uri="/chunks", method="POST", keep=True, body_length=50000))
        connection.send(record(fastcgi.STDIN, 1, b"x" * 40000), record(fastcgi.ABORT_REQUEST, 1))
        response = fastcgi.Response()
        with contextlib.suppress(fastcgi.ConnectionClosed):
            connection.read_response(response, timeout=10)
        assert response.status != 200
