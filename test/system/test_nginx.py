"""Behind Debian's nginx, with the snippet that `cowherd front nginx` prints."""

import threading

import pytest

from front_servers import NGINX, Front
from herd import wait_until

pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

APP = """
run ->(env) {
  case env["PATH_INFO"]
  when "/echo" then [200, {}, [env["rack.input"].read]]
  when "/size"
    total = 0
    while (chunk = env["rack.input"].read(65536))
      total += chunk.bytesize
    end
    [200, {}, [total.to_s]]
  when "/raise" then raise "x"
  when "/redirect" then [302, { "location" => "/elsewhere" }, []]
  when "/none" then [204, {}, []]
  else
    said = ["%s"] + %%w[REQUEST_METHOD SCRIPT_NAME PATH_INFO QUERY_STRING].map { |name| env[name] }
    [200, { "content-type" => "text/plain" }, [said.join(" ")]]
  end
}
"""

@pytest.fixture(scope="module")
def front(module_cowherd):
    herd = module_cowherd
    for name in "ab":
        herd.app(APP % name, host=name + ".test", name=name)
    herd.app(APP % "suffix", host="*.wild.test", name="suffix")
    herd.app(APP % "inner", host="a.test", path="/inner", name="inner")
    herd.start()
    nginx = Front(herd)
    yield nginx
    nginx.stop()


@pytest.mark.parametrize(
    "host, uri, answer",
    [
        ("a.test", "/x/y?q=1", "a GET  /x/y q=1"),
        ("b.test", "/x", "b GET  /x "),
        ("www.wild.test", "/", "suffix GET  / "),
        ("a.test", "/inner/x", "inner GET /inner /x "),
        ("a.test", "/a%20b", "a GET  /a b "),
    ],
)
def test_vhosts_answer_through_nginx(front, host, uri, answer):
    response = front.request(uri, host=host)
    assert (response.status, response.content.decode()) == (200, answer)
    assert response.getheader("content-type") == "text/plain"


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_methods_pass_nginx(front, method):
    response = front.request("/m", method=method, body=b"x" if method in ("POST", "PUT", "PATCH") else None)
    assert response.status == 200
    assert response.content == (b"" if method == "HEAD" else b"a %s  /m " % method.encode())


def test_statuses_pass_nginx(front):
    assert front.request("/raise").status == 500
    assert front.request("/none").status == 204
    redirect = front.request("/redirect")
    assert (redirect.status, redirect.getheader("location", "").endswith("/elsewhere")) == (302, True)


@pytest.mark.parametrize("size", [0, 1, 8192, 1 << 20])
def test_posts_come_back_through_nginx(front, size):
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    response = front.request("/echo", method="POST", body=body)
    assert response.content == body


def test_a_big_upload_passes_nginx(front):
    assert front.request("/size", method="POST", body=b"x" * (50 << 20)).content == str(50 << 20).encode()


def test_a_chunked_upload_passes_nginx(front):
    def pieces():
        for _ in range(50):
            yield b"y" * 10000

    assert front.request("/size", method="POST", body=pieces()).content == b"500000"


def test_reloads_under_load_fail_no_request_through_nginx(front):
    stop, outcomes, failures = threading.Event(), [], []

    def run(number):
        while not stop.is_set():
            about = {"uri": "/echo", "method": "POST", "body": b"body"} if number % 2 else {"uri": "/x"}
            try:
                response = front.request(**about)
                (outcomes if response.status == 200 else failures).append(response.status)
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(4)]
    for thread in threads:
        thread.start()
    try:
        generation = front.herd.pool()["generation"]
        for number in range(1, 4):
            target = len(outcomes) + 100
            wait_until(lambda: len(outcomes) >= target or failures)
            assert front.herd.reload().returncode == 0
            front.herd.wait_ready(generation=generation + number)
        target = len(outcomes) + 100
        wait_until(lambda: len(outcomes) >= target or failures)
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)
    assert failures == [], front.errors()
    errors = [line for line in front.errors().split("\n") if "upstream" in line and "buffered" not in line]
    assert errors == []
