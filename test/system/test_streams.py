"""Uploads and downloads of 100 MB pass through a worker that holds none of them."""

import hashlib
import random

import pytest

import fastcgi
from front_servers import NGINX, Front
from herd import plain_memory
from test_memory import near, private_by_mapping

pytestmark = plain_memory
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

SIZE = 100 << 20
GROWTH_MAX = 2 << 20
PIECE = random.Random(3).randbytes(1 << 16)

# /peak says how much memory the worker has had at most (VmHWM, in kB), and how often the app was called.
APP = """
def peak
  File.open("/proc/self/status") { |file| file.read }.split("VmHWM:")[1].to_i
end

class Each
  def initialize(chunk, count) @chunk, @count = chunk, count end
  def each; @count.times { yield @chunk.dup } end
end

class FileBody
  def initialize(path) @path = path end
  def to_path; @path end
end

CHUNK = File.open("piece", "rb") { |file| file.read }
$calls = 0

def size_of(input)
  total = 0
  while chunk = input.read(65536)
    total += chunk.bytesize
  end
  total
end

run ->(env) {
  return [200, {}, ["#{peak} #{$calls}"]] if env["PATH_INFO"] == "/peak"
  $calls += 1
  count = env["QUERY_STRING"].to_i
  case env["PATH_INFO"]
  when "/read" then [200, {}, [size_of(env["rack.input"]).to_s]]
  when "/buffer"
    buffer = ""
    total = 0
    total += buffer.bytesize while env["rack.input"].read(65536, buffer)
    [200, {}, [total.to_s]]
  when "/gets"
    total = 0
    while line = env["rack.input"].gets
      total += line.bytesize
    end
    [200, {}, [total.to_s]]
  when "/unread" then [200, {}, ["unread"]]
  when "/echo" then [200, {}, ->(stream) {
    while chunk = stream.read(65536)
      stream << chunk
    end
    stream.close
  }]
  when "/each" then [200, {}, Each.new(CHUNK, count)]
  when "/stream" then [200, {}, ->(stream) { count.times { stream.write(CHUNK.dup) }; stream.close }]
  when "/file" then [200, {}, FileBody.new(env["QUERY_STRING"])]
  else [404, {}, []]
  end
}
"""


@pytest.fixture(scope="module")
def herd(module_cowherd):
    herd = module_cowherd
    herd.configure(workers=1)
    root = herd.app(APP, host="a.test").parent
    (root / "piece").write_bytes(PIECE)
    (root / "small").write_bytes(PIECE)
    with open(root / "large", "wb") as large:
        large.truncate(SIZE)
    herd.start()
    for uri in ("/read", "/buffer", "/gets", "/unread", "/echo"):
        assert herd.request(uri, host="a.test", method="POST", body=PIECE * 20).status == 200
    for uri in ("/each?20", "/stream?20", "/file?small"):
        assert herd.request(uri, host="a.test").status == 200
    return herd


class Growth:
    """That the worker's memory has grown by less than GROWTH_MAX: at its peak, and as the status says."""

    def __init__(self, herd):
        self.herd = herd

    def peak(self):
        return int(self.herd.request("/peak", host="a.test").text.split()[0]) << 10

    def private(self):
        return self.herd.workers()[0]["memory"]["private"]

    def __enter__(self):
        (pid,) = self.herd.worker_pids()
        # What the status says is of some moment in the last seconds.
        self.herd.wait_until(lambda: near(self.private(), private_by_mapping(pid)))
        self.before = self.peak(), self.private()

    def __exit__(self, kind, *unused):
        if kind is None:
            grown = self.peak() - self.before[0]
            assert grown < GROWTH_MAX, "%d bytes more at the peak" % grown
            self.herd.wait_until(lambda: self.private() - self.before[1] < GROWTH_MAX)


@pytest.fixture
def growth(herd):
    return Growth(herd)


def pieces():
    return (PIECE for _ in range(SIZE // len(PIECE)))


def check(response, digest):
    expected = hashlib.sha1()
    for piece in pieces():
        expected.update(piece)
    assert (response.status, response.size) == (200, SIZE)
    assert digest.digest() == expected.digest()


@pytest.mark.parametrize("uri", ["/read", "/buffer", "/gets"])
def test_an_upload_is_read_piece_by_piece(herd, growth, uri):
    with growth:
        response = herd.request(uri, host="a.test", method="POST", body=pieces(), body_length=SIZE, timeout=60)
    assert (response.status, response.text) == (200, str(SIZE))


def test_an_upload_of_unknown_length_is_read_piece_by_piece(herd, growth):
    with growth:
        response = herd.request("/read", host="a.test", method="POST", body=pieces(), timeout=60)
    assert response.text == str(SIZE)


def test_an_upload_goes_through_a_streaming_body(herd, growth):
    digest = hashlib.sha1()
    about = {"body": pieces(), "body_length": SIZE, "sink": digest.update, "timeout": 60}
    with growth:
        response = herd.request("/echo", host="a.test", method="POST", **about)
    check(response, digest)


@pytest.mark.parametrize("uri", ["/each?%d", "/stream?%d"])
def test_a_download_is_made_piece_by_piece(herd, growth, uri):
    digest = hashlib.sha1()
    with growth:
        response = herd.request(uri % (SIZE // len(PIECE)), host="a.test", sink=digest.update, timeout=60)
    check(response, digest)


def test_a_download_of_a_file(herd, growth):
    sizes = []
    with growth:
        response = herd.request("/file?large", host="a.test", sink=lambda piece: sizes.append(len(piece)), timeout=60)
    assert (response.status, sum(sizes), response.header("content-length")) == (200, SIZE, str(SIZE))


@needs_nginx
@pytest.mark.parametrize("buffering", ["on", "off"])
def test_an_upload_through_nginx(herd, growth, buffering):
    def edit(snippet):
        assert "fastcgi_request_buffering on;" in snippet
        return snippet.replace("fastcgi_request_buffering on;", "fastcgi_request_buffering %s;" % buffering)

    front = Front(herd, edit)
    try:
        with growth:
            response = front.request("/read", method="POST", body=pieces(), headers={"Content-Length": str(SIZE)})
        assert (response.status, response.content) == (200, str(SIZE).encode())
    finally:
        front.stop()


def calls(herd):
    return int(herd.request("/peak", host="a.test").text.split()[1])


@pytest.mark.parametrize("size", [2, 1000, 8192])
def test_a_small_body_is_complete_before_the_app_is_called(herd, size):
    """The only worker answers others while half of it is here."""
    body = PIECE[:size]
    before = calls(herd)
    with herd.connect() as connection:
        connection.send(fastcgi.head(method="POST", uri="/read", host="a.test", body_length=size))
        connection.send(fastcgi.stream(fastcgi.STDIN, body[: size // 2], close=False))
        assert calls(herd) == before
        connection.send(fastcgi.stream(fastcgi.STDIN, body[size // 2 :]))
        response = connection.read_response(fastcgi.Response())
    assert response.text == str(size)
    assert calls(herd) == before + 1
