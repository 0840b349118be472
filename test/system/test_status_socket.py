"""`status.listen`: the status and the metrics over FastCGI, whatever the workers do."""

import contextlib
import json
import os
import re
import signal
import socket

import pytest

import fastcgi
import front_servers
from herd import PATIENCE, WHOAMI, free_port, process_alive, process_stat, process_title, session_processes, wait_until

APP = """
run ->(env) {
  path = env["PATH_INFO"]
  File.open(path, "r") { |fifo| fifo.read } if path.include?("fifo")
  [200, {}, ["fine"]]
}
"""
NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
SAMPLE = re.compile(r"(%s)(?:\{(%s(?:,%s)*)\})? (-?[0-9]+(?:\.[0-9]+)?(?:e[-+][0-9]+)?)" % (NAME, LABEL, LABEL))
SUFFIXES = {"counter": "_total", "info": "_info", "gauge": "", "stateset": ""}


def parse_metrics(text):
    """OpenMetrics, strictly: {(name, labels as a frozenset of pairs): value}, and the families' types."""
    assert text.endswith("\n# EOF\n") and text.count("# EOF") == 1
    samples, types, family, said = {}, {}, None, []
    for line in text[: -len("# EOF\n")].splitlines():
        described = re.fullmatch(r"# (TYPE|UNIT|HELP) (%s) (.+)" % NAME, line)
        if described:
            what, name, value = described.groups()
            if what == "TYPE":
                assert name not in types, "%s comes twice" % name
                assert value in SUFFIXES, line
                types[name], family, said = value, name, []
            assert name == family and what not in said, line
            said.append(what)
            if what == "UNIT":
                assert name.endswith("_" + value), line
            continue
        sample = SAMPLE.fullmatch(line)
        assert sample, "no sample: %r" % line
        name, labels, value = sample.groups()
        assert "HELP" in said and name == family + SUFFIXES[types[family]], line
        pairs = re.findall(r'([a-zA-Z0-9_]+)="((?:[^"\\]|\\.)*)"', labels or "")
        assert len(dict(pairs)) == len(pairs), line
        key = (name, frozenset(pairs))
        assert key not in samples, "%s comes twice" % line
        samples[key] = float(value)
        if types[family] in ("counter", "info"):
            assert samples[key] >= 0, line
    return samples, types


def value(samples, name, **labels):
    return samples[(name, frozenset(labels.items()))]


@pytest.fixture
def herd(cowherd):
    cowherd.settings["status"] = {"listen": cowherd.directory / "status.sock"}
    cowherd.app(APP)
    return cowherd


def address(herd):
    return herd.settings["status"]["listen"]


def ask(herd, uri="/status", where=None, **about):
    """One request to the status server, once it listens."""

    def attempt():
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
            with fastcgi.Connection(where or address(herd), timeout=PATIENCE) as connection:
                return connection.request(uri=uri, **about)

    return wait_until(attempt, what="the status at %s" % (where or address(herd),))


def metrics(herd):
    response = ask(herd, "/metrics", headers={"Accept": "application/openmetrics-text"})
    assert response.status == 200
    return parse_metrics(response.text)[0]


def server_pid(herd):
    """The process that serves the status, once there is one."""

    def found():
        pids = [pid for pid in session_processes(herd.process.pid) if process_title(pid).startswith("cowherd: status")]
        return pids[0] if len(pids) == 1 else None

    return wait_until(found, what="one status server")


def test_the_status_as_text_and_json(herd):
    herd.start()
    text = ask(herd)
    assert (text.status, text.header("content-type")) == (200, "text/plain; charset=utf-8")
    assert "web: serving" in text.text and "PRIVATE" in text.text
    for about in ({"uri": "/any/prefix/status?json"}, {"headers": {"Accept": "application/json"}}):
        answer = ask(herd, **about)
        assert (answer.status, answer.header("content-type")) == (200, "application/json")
        assert int(answer.header("content-length")) == len(answer.body)
        told, known = json.loads(answer.text), herd.status()
        assert told["supervisor"]["pid"] == herd.process.pid
        assert told.keys() == known.keys() and told["pools"][0].keys() == known["pools"][0].keys()
        assert {w["pid"] for w in told["pools"][0]["workers"]} == set(herd.worker_pids())


def test_metrics_are_strict_and_right(herd):
    herd.configure(pool="other", workers=1)
    herd.app(WHOAMI, pool="other")
    herd.start()
    for _ in range(5):
        assert herd.request("/").status == 200
    herd.wait_until(lambda: herd.ledger()["completed"] == 5)
    samples = metrics(herd)
    assert value(samples, "cowherd_requests_accepted_total", pool="web") == 5
    assert value(samples, "cowherd_requests_total", pool="web", outcome="completed") == 5
    assert value(samples, "cowherd_requests_total", pool="other", outcome="completed") == 0
    assert value(samples, "cowherd_workers_wanted", pool="web") == 2
    assert value(samples, "cowherd_generation", pool="web") == 1
    assert value(samples, "cowherd_pool_state", pool="web", cowherd_pool_state="serving") == 1
    assert value(samples, "cowherd_pool_state", pool="web", cowherd_pool_state="failed") == 0
    assert value(samples, "cowherd_recycled_workers_total", pool="web", reason="age") == 0
    assert value(samples, "cowherd_region_bytes", pool="web") == herd.pool()["region"]["bytes"]
    assert sum(v for (name, labels), v in samples.items() if name == "cowherd_workers") == 3
    assert {name for name, _ in samples} >= {
        "cowherd_build_info",
        "cowherd_uptime_seconds",
        "cowherd_all_busy_seconds_total",
        "cowherd_connections_refused_total",
        "cowherd_workers_memory_bytes",
        "cowherd_gc_collections",
        "cowherd_fallback_starts_total",
    }

    def measured():
        now = metrics(herd)
        private = value(now, "cowherd_workers_memory_bytes", pool="web", kind="private")
        return private > 0 and 0.5 < now.get(("cowherd_sharing_ratio", frozenset({("pool", "web")})), 0) <= 1

    herd.wait_until(measured, what="memory and sharing")


def test_metrics_for_who_does_not_know_openmetrics(herd):
    herd.start()
    answer = ask(herd, "/metrics")
    assert answer.header("content-type") == "text/plain; version=0.0.4; charset=utf-8"
    parse_metrics(answer.text)


def test_other_requests(herd):
    herd.start()
    assert ask(herd, "/nothing").status == 404
    refused = ask(herd, method="POST", body=b"x" * 100000)
    assert (refused.status, refused.header("allow")) == (405, "GET, HEAD")
    head = ask(herd, "/metrics", method="HEAD")
    assert (head.status, head.body) == (200, b"") and int(head.header("content-length")) > 1000
    shown = herd.command("request", address(herd), "/status", file=False)
    assert shown.returncode == 0 and "web: serving" in shown.stdout


def test_while_all_workers_are_busy_or_stopped(herd):
    herd.start()
    fifos, waits = [herd.fifo(), herd.fifo()], []
    with contextlib.ExitStack() as stack:
        # One after the other: two at once may both be taken by one worker.
        for count, fifo in enumerate(fifos, start=1):
            connection = stack.enter_context(herd.connect())
            waits.append((connection, connection.start(uri=str(fifo))))
            herd.wait_until(lambda: value(metrics(herd), "cowherd_workers", pool="web", state="busy") == count)
        herd.wait_until(lambda: value(metrics(herd), "cowherd_all_busy_seconds_total", pool="web") > 0)
        for pid in herd.worker_pids():
            os.kill(pid, signal.SIGSTOP)
        try:
            assert ask(herd).status == 200
            metrics(herd)
        finally:
            for pid in herd.worker_pids():
                os.kill(pid, signal.SIGCONT)
        for fifo in fifos:
            fifo.release()
        for connection, response in waits:
            assert connection.read_response(response).status == 200


@pytest.mark.skipif(front_servers.NGINX is None, reason="nginx is not installed")
def test_through_nginx(herd):
    herd.start()
    ask(herd)
    location = "location ~ ^/cowherd/(status|metrics)$ { include /etc/nginx/fastcgi_params; fastcgi_pass unix:%s; }"
    nginx = front_servers.nginx(herd, location % address(herd))
    try:
        response = nginx.request("/cowherd/status")
        assert response.status == 200 and "web: serving" in response.text
        assert json.loads(nginx.request("/cowherd/status?json").text)["pools"][0]["name"] == "web"
        response = nginx.request("/cowherd/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        assert response.getheader("content-type").startswith("application/openmetrics-text")
        parse_metrics(response.text)
        response = nginx.request("/cowherd/metrics", "HEAD")
        assert (response.status, response.text) == (200, "")
        assert nginx.request("/cowherd/status", "POST").status == 405
    finally:
        nginx.stop()


def test_the_server_has_no_privileges_and_comes_back(herd):
    herd.start()
    ask(herd)
    pid = server_pid(herd)
    if os.geteuid() == 0:
        about = open("/proc/%d/status" % pid).read()
        assert re.search(r"(?m)^Uid:\s+65534\s+65534\s+65534", about) and re.search(r"(?m)^CapEff:\s+0+$", about)
    herd.deaths_expected = True
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not process_alive(pid))
    assert ask(herd).status == 200
    assert server_pid(herd) != pid
    herd.wait_log("status:", "signal 9")


def test_a_stopped_server_stops_nobody(herd):
    herd.start()
    ask(herd)
    pid = server_pid(herd)
    os.kill(pid, signal.SIGSTOP)
    try:
        with fastcgi.Connection(address(herd)) as connection:
            response = connection.start(uri="/status")
            assert herd.request("/").status == 200
            assert herd.status()["pools"][0]["state"] == "serving"
            assert herd.reload().returncode == 0
            os.kill(pid, signal.SIGCONT)
            assert connection.read_response(response).status == 200
    finally:
        os.kill(pid, signal.SIGCONT)


def test_hostile_clients(herd):
    herd.start()
    ask(herd)
    pid = server_pid(herd)
    with contextlib.ExitStack() as stack:
        for junk in (b"", b"\x01", b"GET /status HTTP/1.1\r\n\r\n", os.urandom(5000), fastcgi.begin() * 3):
            connection = stack.enter_context(fastcgi.Connection(address(herd)))
            if junk:
                connection.try_send(junk)
        too_long = stack.enter_context(fastcgi.Connection(address(herd)))
        params = fastcgi.pairs([("A%d" % i, "x" * 1000) for i in range(200)])
        too_long.try_send(fastcgi.begin(), fastcgi.stream(fastcgi.PARAMS, params))
        assert too_long.wait_closed() == []
        reader = stack.enter_context(fastcgi.Connection(address(herd)))
        reader.start(uri="/metrics")  # and it never reads
        for _ in range(50):
            gone = fastcgi.Connection(address(herd))
            gone.start(uri="/status?json")
            gone.close()
        many = stack.enter_context(fastcgi.Connection(address(herd)))
        cut = stack.enter_context(fastcgi.Connection(address(herd)))
        cut.send(fastcgi.head(uri="/status")[:-9])
        assert many.request(uri="/status").status == 200
    assert ask(herd).status == 200
    assert server_pid(herd) == pid


def test_requests_in_pieces_and_management_records(herd):
    herd.start()
    ask(herd)
    with fastcgi.Connection(address(herd)) as connection:
        connection.send(fastcgi.record(fastcgi.GET_VALUES, 0, fastcgi.pairs([("FCGI_MAX_CONNS", "")])))
        assert connection.receive_record().type == fastcgi.GET_VALUES_RESULT
        whole = fastcgi.head(uri="/status") + fastcgi.stream(fastcgi.STDIN, b"")
        for byte in range(0, len(whole), 7):
            connection.send(whole[byte : byte + 7])
        response = connection.read_response(fastcgi.Response(1))
        assert response.status == 200
        assert connection.wait_closed() == []


def test_reload_changes_the_address(herd):
    herd.start()
    old = address(herd)
    pid = (ask(herd), server_pid(herd))[1]
    assert herd.reload().returncode == 0
    assert ask(herd).status == 200 and server_pid(herd) == pid
    port = free_port()
    herd.settings["status"]["listen"] = "127.0.0.1:%d" % port
    herd.write_configuration()
    assert herd.reload().returncode == 0
    assert ask(herd, where=("127.0.0.1", port)).status == 200
    wait_until(lambda: not old.exists() and not process_alive(pid), what="the old address is gone")
    # An address that another process has: the one before stays.
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        herd.settings["status"]["listen"] = "127.0.0.1:%d" % other.getsockname()[1]
        herd.write_configuration()
        assert herd.reload().returncode == 0
        herd.wait_log("status:", "another process is listening there", "127.0.0.1:%d" % port)
        assert ask(herd, where=("127.0.0.1", port)).status == 200
    assert ask(herd, where=("127.0.0.1", int(herd.settings["status"]["listen"].split(":")[1]))).status == 200
    pid = server_pid(herd)
    del herd.settings["status"]
    herd.write_configuration()
    assert herd.reload().returncode == 0
    wait_until(lambda: not process_alive(pid), what="no status server is left")
    assert herd.request("/").status == 200


def test_an_upgrade_carries_it(herd):
    herd.start()
    ask(herd)
    pid = server_pid(herd)
    assert herd.command("upgrade").returncode == 0
    assert ask(herd).status == 200
    assert json.loads(ask(herd, "/status?json").text)["supervisor"]["pid"] == herd.process.pid
    assert server_pid(herd) == pid


def test_the_end_of_the_supervisor(herd):
    herd.start()
    ask(herd)
    pid = server_pid(herd)
    herd.stop()
    assert not address(herd).exists()
    wait_until(lambda: not process_alive(pid))


def test_a_killed_supervisor_leaves_no_server(herd):
    herd.start()
    ask(herd)
    pid = server_pid(herd)
    herd.process.kill()
    herd.process.wait()
    wait_until(lambda: not process_alive(pid), what="the status server has left")
