"""Apps that do what an app must not do while it loads, or that take all the memory there is.

Each of them fails with words that say where and what, the generation before goes on, and nothing is left behind.
"""

import re
import signal

import pytest

from herd import WHOAMI, Load, plain_memory, process_alive, wait_until

FINE = "run ->(env) { [200, {}, ['fine']] }\n"

# What is wrong, where it happens ("" when it is nowhere) and what is said.
BAD = {
    "raises": ("x = 1\nraise 'not today'\n", 2, r"not today \(RuntimeError\)"),
    "exits": ("def leave\n  exit 3\nend\nleave\n", 2, r"exit was called"),
    "ends-the-process": ("def leave\n  exit! 3\nend\nleave\n", 2, r"the process was ended .* exit! .*status 3"),
    "ends-it-quietly": ("exit!\n", 1, r"the process was ended .* exit! .*status 0"),
    "aborts": ("abort 'stop'\n", 1, r"abort"),
    "loops": ("def forever\n  loop { 1 + 1 }\nend\nforever\n", 2, r"restart\.ready_timeout \(1\.5 s\).*still loading"),
    "sleeps": ("def wait\n  sleep 1000\n  1\nend\nwait\n", 5, r"restart\.ready_timeout \(1\.5 s\).*still loading"),
    "waits": ("r, w = IO.pipe\nr.read(1)\n" + FINE, 2, r"restart\.ready_timeout \(1\.5 s\)"),
    "insists": (
        "begin\n  loop { 1 + 1 }\nrescue Exception\n  retry\nend\n",
        "",
        r"restart\.ready_timeout \(1\.5 s\): bad\.test/: it is still loading",
    ),
    "closes-the-channel": ("(3..255).each { |fd| IO._sysclose(fd) rescue nil }\n" + FINE, "", r"descriptor \d+, .*was closed"),
    "closes-all": (
        "(0..1023).each { |fd| IO._sysclose(fd) rescue nil }\n" + FINE,
        "",
        r"bad\.test/.* an app has closed descriptors that were not its own",
    ),
    "leaves-a-process": ("$p = IO.popen('exec sleep 1000')\nraise 'after that'\n", 2, r"after that \(RuntimeError\)"),
}


def hurry(herd, words):
    """For those that would not end; a busy machine takes its time for the others."""
    if "ready_timeout" in words:
        herd.configure(restart={"ready_timeout": "1500ms"})


def assert_said(text, path, line, words):
    assert re.search(words, text, re.DOTALL), text
    assert "bad.test/" in text
    if line:
        assert "%s:%d" % (path, line) in text, text


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_start_fails_and_says_why(cowherd, name):
    source, line, words = BAD[name]
    hurry(cowherd, words)
    path = cowherd.app(source, host="bad.test")
    status, said = cowherd.run_failing()
    assert status == 1
    assert_said(said, path, line, words)
    assert re.search(words, cowherd.log(), re.DOTALL)


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_reload_fails_and_nothing_else_happens(cowherd, name):
    source, line, words = BAD[name]
    path = cowherd.app(WHOAMI, host="bad.test")
    cowherd.start()
    pids = cowherd.worker_pids()
    path.write_text(source)
    hurry(cowherd, words)
    cowherd.write_configuration()
    with Load(cowherd, threads=2, host="bad.test") as load:
        load.wait_answers(5)
        result = cowherd.reload()
        load.wait_answers(5)
    assert result.returncode == 1
    assert_said(result.stderr, path, line, words)
    assert "the generation before it goes on serving" in result.stderr
    assert load.failures == [] and load.refused == []
    assert {int(body) for _, body in load.answers} <= pids
    assert cowherd.worker_pids() == pids
    assert cowherd.ledger()["lost"] == 0
    cowherd.wait_until(lambda: len(cowherd.pool()["generations"]) == 2)
    assert re.search(words, cowherd.pool()["generations"][-1]["error"] or cowherd.pool()["generations"][0]["error"], re.S)
    path.write_text(WHOAMI)
    cowherd.pools["web"].pop("restart", None)
    cowherd.write_configuration()
    assert cowherd.reload().returncode == 0


def test_check_compiles_and_runs_nothing(cowherd):
    cowherd.app("exit! 3\n", host="bad.test")
    cowherd.write_configuration()
    assert cowherd.command("check").returncode == 0


# -- processes


def test_what_a_failed_generation_has_started_ends_with_it(cowherd):
    pid_file = cowherd.directory / "pid"
    path = cowherd.app(WHOAMI, host="bad.test")
    cowherd.start()
    path.write_text(
        "$p = IO.popen('echo $$ >%s.new; mv %s.new %s; exec sleep 1000')\nsleep 0.01 until File.exist?('%s')\nraise 'x'\n"
        % (pid_file, pid_file, pid_file, pid_file)
    )
    assert cowherd.reload().returncode == 1
    child = int(pid_file.read_text())
    wait_until(lambda: not process_alive(child), what="the app's process ends")
    assert cowherd.request(host="bad.test").status == 200


def test_a_process_that_is_left_running_is_named(cowherd):
    cowherd.app("$in, $out = IO.pipe\n$p = IO.popen('cat', 'r+')\n$p.puts 'x'\n$p.gets\n" + FINE, host="bad.test")
    cowherd.start()
    line = cowherd.wait_log("app bad.test/ has started process")[0]
    assert re.search(r"process \d+ \((cat|sh)\) while loading, and has not waited for it", line), line


def test_a_forked_child_does_not_speak_for_the_mold(cowherd):
    """IO.popen("-") forks: both go on loading, but only the mold serves."""
    cowherd.configure(workers=1)
    cowherd.app("CHILD = IO.popen('-').nil?\nrun ->(env) { [200, {}, [CHILD.to_s]] }\n", host="bad.test")
    cowherd.start()
    cowherd.wait_log("which an app has forked while it loaded", "is ended")
    assert cowherd.request(host="bad.test").text == "false"
    assert len(cowherd.log_lines("generation 1 loaded")) == 1
    assert not cowherd.log_lines("unexpected message") and not cowherd.log_lines("was not ordered")


def test_a_forked_child_that_fails_does_not_fail_the_mold(cowherd):
    cowherd.app("raise 'in the child' if IO.popen('-').nil?\n" + FINE, host="bad.test")
    cowherd.start()
    assert cowherd.request(host="bad.test").text == "fine"


def test_parent_and_child_of_a_fork_don_t_write_into_each_other(cowherd):
    """What the mold loads lies in memory that a fork shares, until it is frozen."""
    source = """
    pipe = IO.popen("-")
    records = (0...20000).map { |i| [i, "record %d of %s" % [i, pipe.nil? ? "the child" : "the mold"]] }
    wrong = records.reject { |i, text| text == "record %d of %s" % [i, pipe.nil? ? "the child" : "the mold"] }
    if pipe.nil?
      puts "wrong: #{wrong.size}"
      $stdout.flush
      exit!
    end
    ANSWER = "#{pipe.read.strip} #{wrong.size}"
    pipe.close
    run ->(env) { [200, {}, [ANSWER]] }
    """
    cowherd.configure(workers=1)
    cowherd.app(source, host="bad.test")
    cowherd.start()
    assert cowherd.request(host="bad.test").text == "wrong: 0 0"


# -- descriptors


def test_a_descriptor_that_is_held_is_named(cowherd):
    data = cowherd.write("data.txt", "one\ntwo\n")
    cowherd.app("$held = File.open('%s')\nFile.open('%s') { |f| f.gets }\n" % (data, data) + FINE, host="a.test")
    cowherd.app("$pair = UNIXSocket.pair\n$null = File.open('/dev/null')\n" + FINE, host="b.test")
    cowherd.app("File.open('%s')\n" % data + FINE, host="c.test")
    cowherd.start()
    assert len(cowherd.wait_log("app a.test/ holds descriptor", "(%s)" % data, "all workers share it")) == 1
    wait_until(lambda: len(cowherd.log_lines("app b.test/ holds descriptor", "(socket:")) == 2)
    assert not cowherd.log_lines("/dev/null"), "that has no position"
    assert not cowherd.log_lines("app c.test/ holds"), "nobody refers to it"


def test_nothing_is_named_when_nothing_is_held(cowherd):
    data = cowherd.write("data.txt", "one\ntwo\n")
    cowherd.app("TEXT = File.open('%s') { |f| f.read }\n" % data + FINE, host="a.test")
    cowherd.app(FINE, host="b.test")
    cowherd.start()
    cowherd.request(host="a.test")
    assert not cowherd.log_lines("holds descriptor") and not cowherd.log_lines("has started process")


# -- memory

EATING = """
$kept = []
run ->(env) do
  case env["PATH_INFO"]
  when "/large" then loop { $kept << "x" * 1_000_000 }
  when "/small" then loop { $kept << "x" * 100 }
  end
  [200, {}, [File.open("/proc/self/stat") { |f| f.gets.to_i.to_s }]]
end
"""


@plain_memory
@pytest.mark.parametrize("frozen", [True, False])
@pytest.mark.parametrize("limit", ["as", "data"])
@pytest.mark.parametrize("what", ["'x' * 1_000_000", "'x' * 100"])
def test_loading_without_end_reaches_its_limit(cowherd, limit, what, frozen):
    cowherd.configure(rlimits={limit: "100MiB"}, frozen=frozen)
    path = cowherd.app("kept = []\nloop { kept << %s }\n" % what, host="bad.test")
    status, said = cowherd.run_failing()
    assert status == 1
    assert "bad.test/: out of memory: memory limit (rlimits.%s 100.0 MiB) reached (NoMemoryError)" % limit in said
    assert "%s:2" % path in said


@plain_memory
def test_what_fits_into_the_limit_loads(cowherd):
    cowherd.configure(rlimits={"as": "200MiB", "data": "150MiB"})
    cowherd.app("DATA = (1..50).map { 'x' * 1_000_000 }\n" + FINE, host="bad.test")
    cowherd.start()
    assert cowherd.request(host="bad.test").text == "fine"


@plain_memory
@pytest.mark.parametrize("path", ["/large", "/small"])
def test_a_request_without_end_is_a_500_and_its_worker_is_replaced(cowherd, path):
    cowherd.configure(workers=2, rlimits={"as": "100MiB"})
    app = cowherd.app(EATING, host="bad.test")
    cowherd.start()
    before = cowherd.worker_pids()
    assert cowherd.request(path, host="bad.test").status == 500
    cowherd.wait_log("GET %s: out of memory: memory limit (rlimits.as 100.0 MiB) reached (NoMemoryError)" % path)
    cowherd.wait_log("%s:" % app)
    with Load(cowherd, threads=2, host="bad.test") as load:
        cowherd.wait_until(lambda: before - cowherd.worker_pids())
        load.wait_answers(5)
    assert load.failures == [] and load.refused == []
    assert len(before - cowherd.worker_pids()) == 1
    assert cowherd.wait_log("told to go: it has run out of memory (rlimits)")
    assert cowherd.pool()["recycled"]["memory_limit"] == 1
    cowherd.wait_ledger(lost=0, error_answered=1)


def test_a_limit_of_processor_time_is_named(cowherd):
    cowherd.configure(rlimits={"cpu": 1, "core": 0})
    cowherd.app("loop { 1 + 1 }\n", host="bad.test")
    cowherd.deaths_expected = True
    status, said = cowherd.run_failing()
    assert status == 1
    assert "while it loaded bad.test/: signal %d (SIGXCPU)" % signal.SIGXCPU in said
    assert "processor time limit (rlimits.cpu) reached" in said
