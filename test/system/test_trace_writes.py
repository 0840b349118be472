"""`cowherd trace-writes`: which lines write to preloaded state."""

import json
import signal
import subprocess
import threading
import time

import pytest

from herd import BUILD, ENVIRONMENT, PATIENCE, wait_until

APP = """
class Visitor
  attr_accessor :seen
end

VISITORS = Array.new(5000) { Visitor.new }
WORDS = Array.new(5000) { |i| "word number #{i} of the list" }
COUNTS = { "all" => 0 }

module Count
  def self.visit(i)
    VISITORS[i].seen = i
  end

  def self.shout(i)
    WORDS[i] << "!"
  end
end

run ->(env) {
  i = env["QUERY_STRING"].to_i
  case env["PATH_INFO"]
  when "/visit" then 40.times { |j| Count.visit((i + j * 125) % 5000) }
  when "/shout" then Count.shout(i)
  end
  [200, {"content-type" => "text/plain"}, [WORDS[i].size.to_s, VISITORS[i].class.to_s, COUNTS["all"].to_s]]
}
"""


def line_of(text):
    return next(number for number, line in enumerate(APP.split("\n"), 1) if text in line)


class Trace:
    """The command, in the background; a context."""

    def __init__(self, herd, *arguments):
        self.herd = herd
        self.before = len(self._orders())
        self.process = subprocess.Popen(
            [str(BUILD / "cowherd"), "trace-writes", *arguments, "-c", str(herd.file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def _orders(self):
        return self.herd.log_lines("web: worker ", "traces its writes")

    def slot(self):
        """The worker that traces, once it serves."""
        order = wait_until(lambda: self._orders()[self.before :], what="the order to trace")[0]
        index = int(order.split(": worker ")[1].split()[0])

        def serving():
            workers = self.herd.workers()
            return [w for w in workers if w["slot"] == index and w["pid"] and w["state"] in ("idle", "busy")]

        return wait_until(serving, what="a worker that traces")[0]

    def feed(self, uri, least=0):
        """Requests until the command ends, or the tracing worker has served `least`."""
        deadline = time.monotonic() + 3 * PATIENCE
        number = 0
        while self.process.poll() is None and time.monotonic() < deadline:
            assert self.herd.request("%s?%d" % (uri, number % 4999)).status == 200
            number += 1
            if least and number % 10 == 0 and self.slot()["requests"] >= least:
                return
        assert not least and self.process.poll() is not None, "the trace has not ended"

    def finish(self):
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err


def trace(herd, uri, *arguments):
    with Trace(herd, "web", *arguments) as running:
        running.slot()
        running.feed(uri)
        return running.finish()


def test_the_report_names_line_class_and_cost(cowherd):
    app = cowherd.app(APP)
    cowherd.start()
    status, out, err = trace(cowherd, "/visit", "--requests", "5", "--json")
    assert (status, err) == (0, "")
    report = json.loads(out)
    assert report["pool"] == "web" and report["requests"] == 5 and report["complete"]
    assert report["ended_early"] is None
    (write,) = [w for w in report["writes"] if w["class"] == "Visitor"]
    assert (write["file"], write["line"]) == (str(app), line_of("VISITORS[i].seen ="))
    assert write["method"] == "visit"
    assert write["pages"] >= 20 and write["bytes"] == 4096 * write["pages"]
    assert report["writes"][0] == write
    assert report["bytes"] == sum(w["bytes"] for w in report["writes"]) <= report["region"]
    cowherd.wait_until(lambda: len(cowherd.workers()) == 2)
    cowherd.wait_ledger(error_answered=0, client_gone=0, lost=0)


def test_the_table_is_for_people(cowherd):
    app = cowherd.app(APP)
    cowherd.start()
    status, out, err = trace(cowherd, "/visit", "--requests", "3")
    assert (status, err) == (0, "")
    lines = out.split("\n")
    assert lines[0] == "web: writes to preloaded state in 3 requests"
    assert lines[1].split() == ["BYTES", "PAGES", "CLASS", "FILE:LINE", "METHOD"]
    assert lines[2].split()[2:] == ["Visitor", "%s:%d" % (app, line_of("VISITORS[i].seen =")), "visit"]


def test_an_app_that_only_reads_writes_nothing(cowherd):
    cowherd.app(APP)
    cowherd.start()
    status, out, err = trace(cowherd, "/read", "--requests", "20")
    assert (status, err) == (0, "")
    assert out.split("\n")[:2] == ["web: writes to preloaded state in 20 requests", "nothing is written"]


def test_what_was_opened_before_the_fork_can_be_read(cowherd):
    data = cowherd.write("data", "a line of text\n" * 2000)
    cowherd.app(
        """
        DATA_FILE = File.open("%s")
        LINE = "x" * 4000
        SHORT = "abc"
        DATA_FILE.gets
        run ->(env) {
          DATA_FILE.sysseek(0) if env["PATH_INFO"] == "/seek"
          [200, {}, [DATA_FILE.gets.to_s, DATA_FILE.read(5000).to_s, DATA_FILE.read(3, SHORT).to_s,
                     DATA_FILE.read(4000, LINE).to_s.size.to_s]]
        }
        """
        % data
    )
    cowherd.start()
    with Trace(cowherd, "web", "--requests", "2") as running:
        running.slot()
        running.feed("/read")
        status, _, err = running.finish()
    assert (status, err) == (0, "")
    assert not cowherd.log_lines("Bad address")


def test_what_can_not_be_traced_is_said(cowherd):
    cowherd.app(APP)
    cowherd.configure("plain", frozen=False)
    cowherd.app(APP, pool="plain")
    cowherd.start()
    result = cowherd.command("trace-writes", "nothere")
    assert (result.returncode, result.stderr) == (1, 'there is no pool "nothere"; the pools are: web plain\n')
    result = cowherd.command("trace-writes", "plain")
    assert result.returncode == 1 and "plain: nothing is frozen (frozen: false)" in result.stderr
    for number in ("0", "-1", "x", "1x", ""):
        assert cowherd.command("trace-writes", "web", "--requests", number).returncode == 2
    with Trace(cowherd, "web") as first:
        first.slot()
        result = cowherd.command("trace-writes", "web")
        assert result.returncode == 1 and "traced already" in result.stderr


def test_ctrl_c_shows_what_was_found_so_far(cowherd):
    cowherd.app(APP)
    cowherd.start()
    with Trace(cowherd, "web") as running:
        running.feed("/visit", least=1)
        running.process.send_signal(signal.SIGINT)
        status, out, err = running.finish()
    assert (status, err) == (0, "")
    assert "of 100; the trace ended early: interrupted" in out and "Visitor" in out
    cowherd.wait_until(lambda: len(cowherd.workers()) == 2)


def test_a_client_that_leaves_ends_the_trace(cowherd):
    cowherd.app(APP)
    cowherd.start()
    with Trace(cowherd, "web") as running:
        pid = running.slot()["pid"]
        running.process.kill()
        cowherd.wait_until(lambda: pid not in cowherd.worker_pids())
    assert cowherd.log_lines(pid, "who asked for the trace has left")
    assert len(cowherd.workers()) == 2
    assert trace(cowherd, "/read", "--requests", "2")[0] == 0


def test_a_reload_ends_the_trace_with_its_report(cowherd):
    cowherd.app(APP)
    cowherd.start()
    with Trace(cowherd, "web") as running:
        running.feed("/visit", least=1)
        assert cowherd.reload().returncode == 0
        status, out, err = running.finish()
    assert (status, err) == (0, "")
    assert "the trace ended early: a newer one serves" in out and "Visitor" in out


def test_the_death_of_the_worker_is_told_and_nobody_takes_its_place(cowherd):
    cowherd.deaths_expected = True
    cowherd.app(APP)
    cowherd.start()
    others = cowherd.wait_until(lambda: 0 not in cowherd.worker_pids() and cowherd.worker_pids())
    with Trace(cowherd, "web") as running:
        pid = running.slot()["pid"]
        subprocess.run(["kill", "-SEGV", str(pid)], check=True)
        status, out, err = running.finish()
    assert (status, out) == (1, "")
    assert "(%d) ended without a report: signal 11" % pid in err
    assert cowherd.worker_pids() == others


def test_parallel_clients_notice_nothing(cowherd):
    cowherd.app(APP)
    cowherd.start()
    failures, stop = [], threading.Event()

    def load():
        while not stop.is_set():
            try:
                if cowherd.request("/visit?7").status != 200:
                    failures.append("a wrong status")
            except OSError as error:
                failures.append(error)

    threads = [threading.Thread(target=load) for _ in range(4)]
    with Trace(cowherd, "web", "--requests", "200", "--json") as running:
        for thread in threads:
            thread.start()
        try:
            status, out, err = running.process.wait(3 * PATIENCE), *running.process.communicate()
        finally:
            stop.set()
            for thread in threads:
                thread.join()
    assert (status, err, failures) == (0, "", [])
    assert json.loads(out)["requests"] == 200
    cowherd.wait_until(lambda: len(cowherd.workers()) == 2)
    assert cowherd.ledger()["lost"] == 0
