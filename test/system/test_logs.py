"""The access log and the error log: whole lines, nothing forged, nothing lost when they are rotated."""

import json
import os
import re
import signal

import pytest

from herd import HELD, Load, process_stat, wait_until

COMMON = re.compile(
    r'(\S+) - (\S+) \[(\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4})\] "((?:[^"\\]|\\.)*)" (\d{3}) (\d+|-)$'
)
COMBINED = re.compile(COMMON.pattern[:-1] + r' "((?:[^"\\]|\\.)*)" "((?:[^"\\]|\\.)*)"$')
ERROR_LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (error|warn|info|debug) \[([^\]]+)\] ?(.*)$")

APP = """
run ->(env) {
  case env["PATH_INFO"]
  when "/puts" then puts "said by puts"
  when "/stdout" then $stdout.puts "said by stdout"
  when "/stderr" then $stderr.puts "said by stderr"
  when "/print" then print "said ", "by ", "print", "\\n"
  when "/p" then p({ "said" => [1, nil] })
  when "/lines" then env["rack.errors"].write "first of two\\nsecond of two\\n"
  when "/puts-lines" then puts "one of three\\ntwo of three\\nthree of three"
  when "/unfinished" then print "a line without an end"
  when "/control" then env["rack.errors"].puts "before\\rmiddle\\e[31mafter\\0end"
  when "/binary" then puts "bytes \\xff\\xfe"
  when "/forged" then puts "2026-01-31T23:59:59.123Z error [supervisor 1] forged"
  when "/record" then $stdout.write "\\x1e0evil.test/\\x1fforged record\\n"
  when "/long" then puts "l" * 200000
  when "/many" then 2000.times { |n| puts "line #{n} of many" }
  when "/raise" then raise "oops\\r\\n2026-01-31T23:59:59.123Z error [supervisor 1] forged by an exception"
  end
  [200, { "content-type" => "text/plain" }, ["answer"]]
}
"""


@pytest.fixture
def herd(cowherd):
    cowherd.access = cowherd.directory / "access.log"
    cowherd.app(APP, host="a.test")
    return cowherd


def start(herd, format_name="combined"):
    herd.settings["log"]["access"] = {"path": herd.access, "format": format_name}
    return herd.start()


def access_lines(herd, count):
    def lines():
        found = herd.access.read_bytes().decode("utf-8").split("\n") if herd.access.exists() else []
        return found if len(found) >= count + 1 else None

    found = herd.wait_until(lines, what=lambda: "%d lines in %s" % (count, herd.access.read_text()))
    assert found.pop() == "" and len(found) == count, found
    return found


def logged(herd, *arguments, **about):
    """One request, and its line: the answer may be here before the line, and the next line be another worker's."""
    count = herd.access.read_bytes().count(b"\n") if herd.access.exists() else 0
    herd.request(*arguments, **about)
    return access_lines(herd, count + 1)[-1]


# -- access log


def test_common_lines_are_common(herd):
    start(herd, "common")
    first = COMMON.match(logged(herd, "/x?y=1", host="a.test"))
    params = {"REMOTE_ADDR": "192.0.2.7", "REMOTE_USER": "somebody"}
    second = COMMON.match(logged(herd, "/z", host="a.test", method="HEAD", params=params))
    third = COMMON.match(logged(herd, "/", host="unknown.test"))
    assert first.groups()[:2] == ("127.0.0.1", "-")
    assert first.groups()[3:] == ("GET /x?y=1 HTTP/1.1", "200", "6")
    assert second.groups()[:2] == ("192.0.2.7", "somebody")
    assert second.group(4) == "HEAD /z HTTP/1.1" and second.group(6) in ("0", "-")
    assert third.group(5) == "404"


def test_combined_lines_have_referer_and_agent(herd):
    start(herd)
    headers = {"Referer": "http://r.test/", "User-Agent": 'Agent "quoted" \\ 1'}
    first = COMBINED.match(logged(herd, "/x", host="a.test", headers=headers))
    second = COMBINED.match(logged(herd, "/x", host="a.test"))
    assert first.group(7) == "http://r.test/"
    assert re.sub(r"\\(?:x22|\")", '"', first.group(8)).startswith('Agent "quoted" \\')
    assert second.group(7) in ("-", "") and second.group(8) in ("-", "")


def test_json_lines_are_json(herd):
    start(herd, "json")
    pid_before = herd.worker_pids()
    headers = {"Referer": 'ref"erer', "User-Agent": b"agent \xff \\ \x01 \xc3\xa9"}
    first = json.loads(logged(herd, "/x?y=\"1\"", host="A.test:80", headers=headers))
    second = json.loads(logged(herd, "/raise", host="a.test", method="POST", body=b"x"))
    assert {"time", "host", "remote_addr", "method", "uri", "protocol", "status", "bytes", "duration_us",
            "referer", "user_agent", "pool", "worker", "app"} <= set(first)  # fmt: skip
    assert (first["method"], first["uri"], first["protocol"]) == ("GET", '/x?y="1"', "HTTP/1.1")
    assert (first["status"], first["bytes"], first["pool"], first["app"]) == (200, 6, "web", "a.test/")
    assert first["referer"] == 'ref"erer'
    assert first["worker"] in (0, 1) and 0 <= first["duration_us"] < 60_000_000
    assert (second["status"], second["method"]) == (500, "POST")
    assert herd.worker_pids() == pid_before


@pytest.mark.parametrize("format_name", ["common", "combined", "json"])
def test_nothing_in_a_request_forges_a_line(herd, format_name):
    start(herd, format_name)
    evil = '/\r\n192.0.2.1 - - [31/Jan/2026:00:00:00 +0000] "GET /forged HTTP/1.1" 200 1\r\n"\x1b[31m\\'
    names = ("REQUEST_METHOD", "SERVER_PROTOCOL", "REMOTE_ADDR", "REMOTE_USER")
    names += ("HTTP_REFERER", "HTTP_USER_AGENT", "HTTP_HOST")
    herd.request(host="a.test", params={"REQUEST_URI": evil})
    for name in names:
        herd.request(host="a.test", params={name: evil})
    lines = access_lines(herd, len(names) + 1)
    for line in lines:
        assert not re.search(r"[\x00-\x1f\x7f]", line)
        if format_name == "json":
            json.loads(line)
        else:
            assert {"common": COMMON, "combined": COMBINED}[format_name].match(line), line
    assert not [line for line in herd.log().split("\n") if line.startswith("192.0.2.1")]


def test_every_request_under_load_has_one_whole_line(herd):
    start(herd, "json")
    with Load(herd, threads=6, host="a.test", uri="/x?" + "q" * 3000) as load:
        load.wait_answers(500)
    assert load.failures == []
    for line in access_lines(herd, len(load.answers)):
        assert json.loads(line)["status"] == 200


# -- error log


def outputs(herd, text):
    return [ERROR_LINE.match(line) for line in herd.wait_log(text)]


@pytest.mark.parametrize("uri, text", [
    ("/puts", "said by puts"), ("/stdout", "said by stdout"), ("/stderr", "said by stderr"),
    ("/print", "said by print"), ("/p", '"said"'), ("/unfinished", "a line without an end"),
])  # fmt: skip
def test_what_an_app_prints_is_logged_with_pool_worker_and_app(herd, uri, text):
    start(herd)
    workers = {worker["pid"]: worker["slot"] for worker in herd.workers()}
    assert herd.request(uri, host="a.test").text == "answer"
    if uri == "/unfinished":
        herd.stop()  # at the latest the end of the worker ends the line
    (match,) = outputs(herd, text)
    pool_worker, pid = match.group(2).split(" ")[:2]
    assert pool_worker == "web/%d" % workers[int(pid)]
    if uri != "/unfinished":
        assert match.group(2).split(" ")[2:] in (["a.test/"], []), match.group(2)


def test_rack_errors_lines_always_name_the_app(herd):
    start(herd)
    herd.request("/lines", host="a.test")
    for text in ("first of two", "second of two"):
        (match,) = outputs(herd, text)
        assert match.group(2).endswith(" a.test/") and match.group(3) == text


def test_several_lines_are_several_log_lines(herd):
    start(herd)
    herd.request("/puts-lines", host="a.test")
    for text in ("one of three", "two of three", "three of three"):
        (match,) = outputs(herd, text)
        assert match.group(3) == text


def test_nothing_that_an_app_or_a_client_says_forges_a_line(herd):
    start(herd)
    for uri in ("/control", "/binary", "/forged", "/record", "/raise"):
        herd.request(uri, host="a.test")
    for text in ("after", "forged record", "forged by an exception", "oops"):
        herd.wait_log(text)
    for line in herd.log().split("\n")[:-1]:
        match = ERROR_LINE.match(line)
        assert match, "a line of its own making: %r" % line
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", line), repr(line)
        if "forged" in line and "forged record" not in line:
            assert match.group(2).startswith("web/"), line


def test_very_long_lines_and_many_lines_get_through(herd):
    start(herd)
    herd.request("/many", host="a.test")
    herd.wait_log("line 1999 of many")
    assert len(herd.log_lines("of many")) == 2000
    herd.request("/long", host="a.test")
    herd.wait_until(
        lambda: sum(line.count("l") for line in herd.log_lines("llllllll")) >= 200000, what="200,000 letters in the log"
    )
    herd.request("/puts", host="a.test")
    herd.wait_log("said by puts")


def test_output_while_loading_is_logged(cowherd):
    cowherd.app("puts 'said while loading'\n$stderr.puts 'and by stderr'\nrun ->(env) { [200, {}, []] }")
    cowherd.start()
    (line,) = cowherd.wait_log("said while loading")
    assert "[web mold " in line
    cowherd.wait_log("and by stderr")


def test_the_level_of_the_configuration_is_kept(cowherd):
    cowherd.settings["log"]["level"] = "error"
    cowherd.app("run ->(env) { raise 'visible' }")
    cowherd.start()
    cowherd.request()
    cowherd.wait_log("visible (RuntimeError)")
    assert not [line for line in cowherd.log().split("\n") if re.match(r"\S+ (info|debug|warn) ", line)]


# -- rotation


def test_usr1_reopens_both_logs_and_loses_no_line(herd):
    start(herd)
    error, rotated_error = herd.directory / "error.log", herd.directory / "error.log.1"
    rotated = herd.directory / "access.log.1"
    pids = herd.worker_pids()
    with Load(herd, threads=3, host="a.test", uri="/counted") as load:
        load.wait_answers(100)
        herd.access.rename(rotated)
        error.rename(rotated_error)
        load.wait_answers(50)
        assert not herd.access.exists()
        herd.signal(signal.SIGUSR1)
        herd.wait_until(lambda: herd.access.exists() and error.exists() and "/counted" in herd.access.read_text())
        load.wait_answers(100)
    assert (load.failures, load.refused) == ([], [])

    def counted():
        return (rotated.read_text() + herd.access.read_text()).count("GET /counted ")

    answers = len(load.answers)
    herd.wait_until(lambda: counted() == answers, what=lambda: "%d of %d lines" % (counted(), answers))
    # In the end every worker writes to the new file alone.

    def all_have_moved():
        size = rotated.stat().st_size
        herd.request("/moved", host="a.test")
        return rotated.stat().st_size == size and herd.access.read_text().count("GET /moved ") >= 10

    herd.wait_until(all_have_moved)
    herd.request("/puts", host="a.test")
    herd.wait_log("said by puts")
    assert "said by puts" not in rotated_error.read_text()
    assert herd.worker_pids() == pids


def writes_to_the_new_log(herd):
    herd.request("/after", host="a.test")
    return herd.access.exists() and "GET /after " in herd.access.read_text()


def test_the_reopen_command_does_the_same(herd):
    start(herd)
    herd.request(host="a.test")
    herd.access.rename(herd.directory / "access.log.1")
    assert herd.command("reopen").returncode == 0
    herd.wait_until(lambda: writes_to_the_new_log(herd))


@pytest.mark.parametrize("upgrade", [False, True], ids=["", "and-an-upgrade"])
def test_a_worker_that_has_much_to_read_gets_the_new_log_all_the_same(herd, upgrade):
    """There is no room in its channel for the descriptor, at first."""
    fifo = herd.fifo()
    herd.configure(workers=1)
    herd.app(HELD + 'run ->(env) { [200, {}, Held.new("%s")] }' % fifo, host="held.test")
    start(herd)
    with herd.connect() as connection:
        response = connection.start(uri="/held", host="held.test")
        with fifo.wait_reader():
            herd.fill_channels()
            herd.access.rename(herd.directory / "access.log.1")
            assert herd.command("reopen").returncode == 0
            if upgrade:
                assert herd.command("upgrade").returncode == 0
        connection.read_response(response)
    herd.wait_until(lambda: writes_to_the_new_log(herd))


def test_a_mold_that_has_much_to_read_gets_the_new_log_all_the_same(herd):
    herd.deaths_expected = True
    herd.configure(workers=1)
    start(herd)
    (worker,) = herd.workers()
    mold = herd.pool()["mold"]["pid"]
    os.kill(mold, signal.SIGSTOP)
    try:
        wait_until(lambda: process_stat(mold)[0] == "T")
        herd.fill_channels()
        herd.access.rename(herd.directory / "access.log.1")
        assert herd.command("reopen").returncode == 0
    finally:
        os.kill(mold, signal.SIGCONT)
    os.kill(worker["pid"], signal.SIGKILL)
    herd.wait_until(lambda: worker["pid"] not in herd.worker_pids() and herd.worker_pids())
    herd.wait_until(lambda: writes_to_the_new_log(herd))


def test_logs_go_to_standard_error_as_well(cowherd):
    cowherd.settings["log"] = {"level": "info", "error": "stderr", "access": {"path": "stderr", "format": "common"}}
    cowherd.app("run ->(env) { puts 'on stderr'; [200, {}, []] }")
    cowherd.start()
    cowherd.request("/to-stderr")
    cowherd.wait_until(lambda: "on stderr" in cowherd.stderr() and '"GET /to-stderr HTTP/1.1" 200' in cowherd.stderr())
