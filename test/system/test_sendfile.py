"""Bodies that are files, sent by the front end: nginx by X-Accel-Redirect, lighttpd by X-Sendfile."""

import http.client
import os
import random
import shutil
import subprocess
import urllib.parse

import pytest

from front_servers import NGINX, Front
from herd import free_port, wait_until

LIGHTTPD = shutil.which("lighttpd", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
needs_lighttpd = pytest.mark.skipif(LIGHTTPD is None, reason="lighttpd is not installed")

# Answers /NAME with the file NAME of its root; ?length: and says how long it is.
APP = """
class FileBody
  def initialize(path) @path = path end
  def to_path; @path end
  def close; $closed = ($closed || 0) + 1 end
end

run ->(env) {
  path = env["PATH_INFO"][1, 1000]
  return [200, {}, [$closed.to_s]] if path == "closed"
  headers = { "content-type" => "application/x-test", "x-app" => "yes" }
  headers["content-length"] = File.size(path).to_s if env["QUERY_STRING"] == "length"
  [env["QUERY_STRING"] == "404" ? 404 : 200, headers, FileBody.new(path)]
}
"""

FILES = {
    "files/plain.bin": random.Random(1).randbytes(10000),
    "files/large.bin": random.Random(2).randbytes(3 << 20),
    "files/empty": b"",
    "files/deep/er/x": b"deep",
    "files/%41 50% + a&b=c;d.txt": b"percent",
    "files/what?#x": b"question",
    "files/\u3042 \xe4.txt": b"not ASCII",
    "files/quote\"'\\back": b"quotes",
    "files/..x": b"dots",
}
ELSEWHERE = {"outside.bin": b"outside", "files2/x": b"a neighbour"}


def write_files(root):
    for name, content in {**FILES, **ELSEWHERE}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    (root / "files/link").symlink_to("../outside.bin")


def uri_of(name):
    return "/" + urllib.parse.quote(name)


def start(herd, **sendfile):
    herd.configure(workers=1)
    root = herd.app(APP, sendfile=sendfile).parent
    write_files(root)
    herd.start()
    return root


# -- what cowherd answers


@pytest.fixture(scope="module")
def herd(module_cowherd):
    start(module_cowherd, **{"from": "files"})
    return module_cowherd


def test_the_default_is_x_accel_redirect_to_sendfile(herd):
    response = herd.request("/files/deep/er/x")
    assert (response.status, response.body) == (200, b"")
    assert response.header("x-accel-redirect") == "/sendfile/deep/er/x"
    assert response.header("content-type") == "application/x-test"


@pytest.mark.parametrize("name", [*ELSEWHERE, "files/link"])
def test_what_lies_elsewhere_is_sent_by_cowherd(herd, name):
    response = herd.request(uri_of(name))
    assert response.header("x-accel-redirect") is None
    assert response.body == ELSEWHERE.get(name, b"outside")


def test_what_a_client_asks_for_does_not_count(herd):
    headers = {"X-Sendfile-Type": "X-Sendfile", "X-Accel-Mapping": "/=/etc/"}
    response = herd.request("/files/empty", headers=headers)
    assert (response.header("x-sendfile"), response.header("x-accel-redirect")) == (None, "/sendfile/empty")


def test_the_body_is_closed(herd):
    before = int(herd.request("/closed").text or "0")
    herd.request("/files/empty")
    assert int(herd.request("/closed").text) == before + 1


# -- what comes out of nginx


@pytest.fixture(scope="module")
def nginx(herd):
    front = Front(herd)
    yield front
    front.stop()


@needs_nginx
@pytest.mark.parametrize("query", ["", "?length"])
@pytest.mark.parametrize("name", FILES)
def test_files_come_out_of_nginx_byte_for_byte(nginx, name, query):
    response = nginx.request(uri_of(name) + query)
    assert response.status == 200, nginx.errors()
    assert response.content == FILES[name]
    assert response.getheader("content-length") == str(len(FILES[name]))
    assert response.getheader("content-type") == "application/x-test"
    assert response.getheader("x-accel-redirect") is None
    assert response.getheader("etag"), "nginx has sent it"


@needs_nginx
@pytest.mark.parametrize("name", [*ELSEWHERE, "files/link"])
def test_what_lies_elsewhere_passes_nginx(nginx, name):
    response = nginx.request(uri_of(name))
    assert (response.status, response.content) == (200, ELSEWHERE.get(name, b"outside"))
    assert response.getheader("etag") is None, "cowherd has sent it"


@needs_nginx
def test_another_status_passes_nginx(nginx):
    response = nginx.request("/files/plain.bin?404")
    assert (response.status, response.content) == (404, FILES["files/plain.bin"])


@needs_nginx
def test_nginx_sends_ranges_and_answers_head(nginx):
    response = nginx.request("/files/plain.bin", headers={"Range": "bytes=5-14"})
    assert (response.status, response.content) == (206, FILES["files/plain.bin"][5:15])
    response = nginx.request("/files/plain.bin", method="HEAD")
    assert (response.status, response.getheader("content-length"), response.content) == (200, "10000", b"")


@needs_nginx
def test_the_internal_location_is_no_client_s(nginx):
    assert nginx.request("/sendfile/plain.bin").status == 404


# -- what comes out of lighttpd

LIGHTTPD_CONFIGURATION = """
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{directory}"
server.errorlog = "{directory}/lighttpd.log"
server.modules = ("mod_fastcgi")
fastcgi.server = ("/" => ((
    "socket" => "{socket}",
    "check-local" => "disable",
    "x-sendfile" => "enable",
    "x-sendfile-docroot" => ("{files}/")
)))
"""


@pytest.fixture
def lighttpd(cowherd):
    root = start(cowherd, header="X-Sendfile", **{"from": "files"})
    directory = cowherd.directory
    about = {"port": free_port(), "directory": directory, "socket": cowherd.address(), "files": root / "files"}
    file = cowherd.write("lighttpd.conf", LIGHTTPD_CONFIGURATION.format(**about))
    process = subprocess.Popen([LIGHTTPD, "-D", "-f", str(file)], stdin=subprocess.DEVNULL, start_new_session=True)

    def request(uri, method="GET"):
        connection = http.client.HTTPConnection("127.0.0.1", about["port"], timeout=20)
        try:
            connection.request(method, uri)
            response = connection.getresponse()
            response.content = response.read()
            return response
        finally:
            connection.close()

    def up():
        assert process.poll() is None, (directory / "lighttpd.log").read_text()
        try:
            return request("/closed").status
        except ConnectionRefusedError:
            return None

    try:
        wait_until(up)
        yield request
    finally:
        process.terminate()
        process.wait(20)


@needs_lighttpd
def test_files_come_out_of_lighttpd_byte_for_byte(lighttpd):
    for name, content in FILES.items():
        for query in ("", "?length"):
            response = lighttpd(uri_of(name) + query)
            assert (response.status, response.content) == (200, content), name
            assert response.getheader("x-sendfile") is None
            assert response.getheader("content-type") == "application/x-test"
    assert lighttpd("/files/plain.bin").getheader("etag"), "lighttpd has sent it"
    for name in [*ELSEWHERE, "files/link"]:
        response = lighttpd(uri_of(name))
        assert (response.status, response.content) == (200, ELSEWHERE.get(name, b"outside")), name
    head = lighttpd("/files/plain.bin", method="HEAD")
    assert (head.status, head.getheader("content-length"), head.content) == (200, "10000", b"")
