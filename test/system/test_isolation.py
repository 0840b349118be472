"""What one app does reaches no other, unless they share an interpreter; and no app reaches cowherd itself."""

import contextlib
import os
import signal
from pathlib import Path

import pytest

import fastcgi
from herd import PATIENCE, descriptors, process_alive, wait_until

# An app for pairs: /set does everything that could reach another, /seen says what has been reached.
PAIR = """
class Probe
  NAMES = [:Constant, :Trouble]
  def self.seen
    text = "abc"
    [
      "constant: #{Object.const_defined?(:LEAKED)}",
      "exception: #{Object.const_defined?(:LeakedError)}",
      "global: #{$leaked.inspect}",
      "string: #{text.respond_to?(:leaked)} #{text.upcase}",
      "object: #{Object.new.respond_to?(:leaked)}",
      "kernel: #{nil.respond_to?(:leaked_kernel, true)}",
      "integer: #{1.succ}",
      "exception message: #{StandardError.new("plain").message}",
      "stdout: #{$stdout.class} #{STDOUT.class}",
      "stderr: #{$stderr.class}",
      "frozen: #{Array.frozen?}",
      "directory: #{Dir.getwd}",
      "path: #{$LOAD_PATH.inspect}",
    ].join("\\n")
  end
end

class Sink
  def puts(*) ; end
  def print(*) ; end
  def printf(*) ; end
  def write(*) ; 0 ; end
  def flush ; self ; end
end

def set
  Object.const_set(:LEAKED, 1) unless Object.const_defined?(:LEAKED)
  Object.const_set(:LeakedError, Class.new(StandardError)) unless Object.const_defined?(:LeakedError)
  $leaked = "from the first"
  String.class_eval do
    def leaked; end
    def upcase; "patched"; end
  end
  Object.class_eval { def leaked; end }
  Kernel.module_eval { def leaked_kernel; end }
  Integer.class_eval { def succ; 42; end }
  StandardError.class_eval { def message; "patched"; end }
  $stdout = Sink.new
  $stderr = Sink.new
  Array.freeze
  Dir.chdir("/")
  $LOAD_PATH << "/leaked"
end

run ->(env) {
  case env["PATH_INFO"]
  when "/set" then set; [200, {}, ["done"]]
  when "/seed" then srand(env["QUERY_STRING"].to_i); [200, {}, ["done"]]
  when "/rand" then [200, {}, [rand(1_000_000_000).to_s]]
  when "/print" then $stdout.puts "printed by #{env["HTTP_HOST"]}"; [200, {}, ["done"]]
  when "/undefine" then Object.class_eval { undef_method :inspect }; [200, {}, ["done"]]
  else [200, {}, [Probe.seen]]
  end
}
"""

APART = """constant: false
exception: false
global: nil
string: false ABC
object: false
kernel: false
integer: 2
exception message: plain
stdout: IO IO
stderr: IO
frozen: false
directory: %s
path: []"""

TOGETHER = """constant: true
exception: true
global: "from the first"
string: true patched
object: true
kernel: true
integer: 42
exception message: patched
stdout: Sink IO
stderr: Sink
frozen: true
directory: %s
path: ["/leaked"]"""


@pytest.fixture(scope="module")
def pairs(module_cowherd):
    """All in one worker: a.test and b.test apart, c.test and d.test in one interpreter."""
    herd = module_cowherd
    herd.configure(workers=1)
    herd.roots = {}
    for name, settings in (("a", {}), ("b", {}), ("c", {"interpreter": "both"}), ("d", {"interpreter": "both"})):
        herd.roots[name] = herd.app(PAIR, host=name + ".test", **settings).parent.resolve()
    return herd.start()


def ask(herd, name, path):
    response = herd.request(path, host=name + ".test")
    assert response.status == 200, response
    return response.text


def test_nothing_reaches_an_app_of_its_own(pairs):
    assert ask(pairs, "b", "/seen") == APART % pairs.roots["b"]
    assert ask(pairs, "a", "/set") == "done"
    assert ask(pairs, "b", "/seen") == APART % pairs.roots["b"]
    assert ask(pairs, "c", "/seen") == APART % pairs.roots["c"]


def test_everything_reaches_who_shares_the_interpreter(pairs):
    assert ask(pairs, "c", "/set") == "done"
    assert ask(pairs, "d", "/seen") == TOGETHER % pairs.roots["d"], "but the working directory, which is each app's own"
    assert ask(pairs, "b", "/seen") == APART % pairs.roots["b"]


def test_the_working_directory_is_each_requests_anew(pairs):
    assert ask(pairs, "a", "/set") == "done"
    assert "directory: %s" % pairs.roots["a"] in ask(pairs, "a", "/seen")


def test_output_of_another_app_is_still_logged(pairs):
    assert ask(pairs, "a", "/set") == "done"
    assert ask(pairs, "b", "/print") == "done"
    assert len(pairs.wait_log("b.test/] printed by b.test")) == 1
    assert ask(pairs, "a", "/print") == "done"
    assert ask(pairs, "b", "/print") == "done"
    pairs.wait_until(lambda: len(pairs.log_lines("printed by b.test")) == 2)
    assert not pairs.log_lines("printed by a.test"), "that one has its own $stdout"


def test_a_seed_is_the_apps_own(pairs):
    ask(pairs, "a", "/seed?7")
    first = [ask(pairs, "a", "/rand") for _ in range(3)]
    ask(pairs, "a", "/seed?7")
    second = []
    for _ in range(3):
        ask(pairs, "b", "/seed?9")
        ask(pairs, "b", "/rand")
        second.append(ask(pairs, "a", "/rand"))
    assert first == second
    ask(pairs, "c", "/seed?7")
    ask(pairs, "d", "/rand")
    assert [ask(pairs, "c", "/rand") for _ in range(2)] == first[1:], "one sequence for both"


# -- env: what the pool sets is all that apps have, and is the same for all of them


def test_variables_of_the_pool_are_the_pools(cowherd):
    shell = """
    run ->(env) { [200, {}, [IO.popen('echo "$COLOUR-$COWHERD_OUTER_X"') { |io| io.read.strip }]] }
    """
    for pool, colour in (("web", "red"), ("other", "blue")):
        cowherd.configure(pool, env={"COLOUR": colour})
        cowherd.app(shell, pool=pool)
    cowherd.start()
    assert cowherd.request().text == "red-"
    assert cowherd.request(pool="other").text == "blue-"


# -- the end of the process

ENDS = """
class Ending
  def initialize(first, &block)
    @first, @block = first, block
  end
  def each
    yield "begun" if @first
    @block.call
  end
end

class Closing < Array
  def close
    exit! 4
  end
end

def leave(status)
  exit! status
end

run ->(env) {
  case env["PATH_INFO"]
  when "/exit" then exit 3
  when "/rescued" then begin; exit; rescue SystemExit => e; [200, {}, ["still here, #{e.class}"]]; end
  when "/ensured" then begin; exit; ensure; $ensured = "yes"; end
  when "/was-ensured" then [200, {}, [$ensured.to_s]]
  when "/exit!" then leave(3)
  when "/quietly" then exit!
  when "/body" then [200, {}, Ending.new(false) { exit! 3 }]
  when "/middle" then [200, {}, Ending.new(true) { exit! 3 }]
  when "/streamed" then [200, {}, Ending.new(true) { env["rack.errors"].flush; exit }]
  when "/abort" then abort "stop"
  when "/fork" then fork { }
  when "/exec" then exec "true"
  when "/at_exit" then at_exit { }
  when "/trap" then trap("TERM") { }
  when "/kill" then Process.kill(9, 1)
  when "/finished" then env["rack.response_finished"] << ->(*) { exit }; [200, {}, ["fine"]]
  when "/finished!" then env["rack.response_finished"] << ->(*) { exit! }; [200, {}, ["fine"]]
  when "/pid" then [200, {}, [File.open("/proc/self/stat") { |f| f.gets.to_i.to_s }]]
  else [200, {}, ["fine"]]
  end
}
"""


@pytest.fixture
def ending(cowherd):
    cowherd.configure(workers=1)
    cowherd.path = cowherd.app(ENDS, host="app.test")
    return cowherd.start()


def end(herd, path):
    return herd.request(path, host="app.test")


def test_exit_in_a_request_is_an_exception(ending):
    pid = end(ending, "/pid").text
    assert end(ending, "/exit").status == 500
    assert ending.wait_log("app.test/", "exit was called: this process is not the app's to end", "(SystemExit)")
    assert end(ending, "/rescued").text == "still here, SystemExit"
    assert end(ending, "/ensured").status == 500
    assert end(ending, "/was-ensured").text == "yes"
    assert end(ending, "/finished").text == "fine"
    assert ending.wait_log("in rack.response_finished: exit was called")
    with pytest.raises(fastcgi.ConnectionClosed) as closed:
        end(ending, "/streamed")
    assert closed.value.response.text == "begun"
    assert end(ending, "/pid").text == pid, "the worker lives"
    ending.wait_ledger(lost=0, error_answered=3)


@pytest.mark.parametrize("path, status", [("/exit!", 3), ("/quietly", 0), ("/body", 3)])
def test_exit_bang_in_a_request_is_answered(ending, path, status):
    pid = int(end(ending, "/pid").text)
    response = end(ending, path)
    assert response.status == 500 and response.complete
    assert ending.wait_log("the worker was ended in GET app.test" + path, "exit! was called (status %d)" % status)
    wait_until(lambda: not process_alive(pid))
    assert end(ending, "/").text == "fine", "another worker serves"
    assert int(end(ending, "/pid").text) != pid
    ending.wait_ledger(lost=0, error_answered=1, completed=3)
    if path == "/exit!":
        line = 1 + ENDS.split("\n").index("  exit! status")
        assert ending.wait_log("%s:%d" % (ending.path, line)), "the log says where"


def test_exit_bang_after_the_answer_has_begun(ending):
    """What has left can't be taken back: the connection ends without END_REQUEST, and the books say error."""
    with ending.connect() as connection:
        connection.request(uri="/", host="app.test")
    with contextlib.suppress(Exception):
        response = end(ending, "/middle")
        assert response.status == 500 or not response.complete
    assert end(ending, "/").text == "fine"
    ending.wait_ledger(lost=0, error_answered=1, completed=2)


def test_exit_bang_after_the_answer(ending):
    """The whole body has left, END_REQUEST has not."""
    with pytest.raises(fastcgi.ConnectionClosed) as closed:
        end(ending, "/finished!")
    assert closed.value.response.text == "fine"
    assert end(ending, "/").text == "fine"
    ending.wait_ledger(lost=0, error_answered=1, completed=1)


@pytest.mark.parametrize("path", ["/abort", "/fork", "/exec", "/at_exit", "/trap", "/kill"])
def test_what_there_is_not_is_an_exception(ending, path):
    response = end(ending, path)
    assert response.status == 500 and response.complete
    assert ending.wait_log("GET %s: " % path, "(NoMethodError)") if path != "/kill" else ending.wait_log("GET /kill: ")
    assert end(ending, "/").text == "fine"


# -- processes that an app starts in a request

SPAWNS = """
$kept = []
run ->(env) {
  case env["PATH_INFO"]
  when "/popen"
    $kept << IO.popen("exec sleep 1000")
    [200, {}, [$kept.last.pid.to_s]]
  when "/shell"
    [200, {}, [`sleep 1000 >/dev/null & echo $!`]]
  when "/fds"
    [200, {}, [IO.popen("ls -l /proc/self/fd") { |io| io.read }]]
  when "/fork"
    io = IO.popen("-", "r+")
    if io.nil?
      puts "in the child"
      $stdout.flush
      [200, {}, ["the child's answer"]]
    else
      text = io.gets
      io.close
      [200, {}, ["the parent's answer, #{text}"]]
    end
  when "/fork-waits"
    io = IO.popen("-")
    if io.nil?
      File.open(env["QUERY_STRING"]) { |f| f.read }
      exit!
    end
    $kept << io
    [200, {}, [io.pid.to_s]]
  when "/fork-forks"
    io = IO.popen("-")
    if io.nil?
      print IO.popen("echo a program; ls -l /proc/self/fd") { |inner| inner.read }
      inner = IO.popen("-")
      if inner.nil?
        print "and a fork"
        $stdout.flush
        exit!
      end
      print inner.read
      $stdout.flush
      exit!
    end
    [200, {}, [io.read]]
  when "/fork-exits"
    io = IO.popen("-")
    exit if io.nil?
    $kept << io
    [200, {}, ["the parent's answer"]]
  when "/fork-crashes"
    io = IO.popen("-")
    exit! 9 if io.nil?
    $kept << io
    [200, {}, ["the parent's answer"]]
  when "/pid" then [200, {}, [File.open("/proc/self/stat") { |f| f.gets.to_i.to_s }]]
  else [200, {}, ["fine"]]
  end
}
"""


@pytest.fixture
def spawning(cowherd):
    cowherd.configure(workers=1)
    cowherd.app(SPAWNS, store={"size": "1MiB"})
    return cowherd.start()


def without(found, fd):
    return {number: link for number, link in found.items() if number != fd}


def started(pid):
    """The program has been executed: before that the process is a copy of the worker."""
    wait_until(lambda: Path("/proc/%d/comm" % pid).read_text().strip() == "sleep", what="sleep runs")
    return pid


@contextlib.contextmanager
def ended(pid):
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not process_alive(pid))


def test_a_started_program_inherits_nothing(spawning):
    with spawning.connect() as kept:
        kept.request(keep=True)  # another client's connection, open in the worker
        pid = int(spawning.request("/popen").text)
        with ended(started(pid)):
            # It has files of its own while it loads.
            spawning.wait_until(lambda: set(descriptors(pid)) == {0, 1, 2}, what="it has its three descriptors alone")
            found = descriptors(pid)
            assert found[0] == "/dev/null" and found[1].startswith("pipe:") and found[2].startswith("pipe:")
        # The same for one from the shell, and where descriptors are asked for from inside.
        lines = spawning.request("/fds").text
        assert "socket:" not in lines and "memfd" not in lines, lines
        assert kept.request(keep=True).text == "fine"


def test_a_program_that_stays_holds_nothing_up(spawning):
    """It has the worker's standard error; neither a reload nor the stop waits for it, and its socket is gone."""
    pid = started(int(spawning.request("/shell").text))
    with ended(pid):
        worker = int(spawning.request("/pid").text)
        assert spawning.reload().returncode == 0
        spawning.wait_until(lambda: not process_alive(worker), what="the old worker leaves")
        assert spawning.request("/").text == "fine"
        assert process_alive(pid)
        popen = started(int(spawning.request("/popen").text))
        with ended(popen):
            assert spawning.stop() == 0
            assert not Path(spawning.address()).exists()


def test_a_fork_is_ended_before_it_answers(spawning):
    for _ in range(3):
        with spawning.connect() as connection:
            response = connection.request(uri="/fork")
            assert response.complete and response.text == "the parent's answer, in the child\n"
    assert spawning.wait_log("which an app has forked in a request, has come to the end of the app and is ended")
    assert spawning.request("/").text == "fine"
    spawning.wait_ledger(lost=0, error_answered=0, completed=4)


@pytest.mark.parametrize("path", ["/fork-exits", "/fork-crashes"])
def test_a_fork_does_not_speak_for_the_worker(spawning, path):
    pid = spawning.request("/pid").text
    for _ in range(3):
        assert spawning.request(path).text == "the parent's answer"
    assert spawning.request("/pid").text == pid
    spawning.wait_ledger(lost=0, error_answered=0, completed=5)
    assert not spawning.log_lines("the worker was ended")


def test_a_fork_lets_go_of_the_workers_descriptors(spawning):
    """It keeps the memory that is shared with it anyway, that of the app's store among it, and the app's folder."""
    fifo = spawning.fifo()
    worker = int(spawning.request("/pid").text)
    with spawning.connect() as kept, spawning.connect() as silent:
        kept.request(keep=True)
        spawning.wait_until(lambda: spawning.workers()[0]["connections"] == 2, what="both are accepted")
        own = descriptors(worker)
        assert len([link for link in own.values() if link.startswith("socket:")]) == 6, (
            "the channel, the escrow, the listener, the workers' queue, two connections: %s" % own
        )
        harmless = {fd for fd, link in own.items() if link.startswith("/memfd:cowherd-") or Path(link).is_dir()}
        assert len(harmless) == 4, own
        child = int(spawning.request("/fork-waits?%s" % fifo).text)
        with ended(child):
            wanted = {fd: own[fd] for fd in harmless | {0, 2}}
            wait_until(
                lambda: without(descriptors(child), 1) == wanted,
                what=lambda: "%s of %s" % (descriptors(child), own),
            )
            assert descriptors(child)[1].startswith("pipe:")
            assert spawning.reload().returncode == 0
            kept.wait_closed()
            silent.wait_closed()
            spawning.wait_until(lambda: not process_alive(worker), what="the old worker leaves")
            with fifo.wait_reader():
                pass
            wait_until(lambda: not process_alive(child), PATIENCE)
    assert spawning.request("/").text == "fine"
    assert not spawning.log_lines("crashed"), "what the child still has of a connection means nothing to the worker"


def test_what_a_fork_opens_is_its_own(spawning):
    """The numbers of what it has let go of are taken again: its own children must not close those, too."""
    text = spawning.request("/fork-forks").text
    assert text.startswith("a program\n") and "socket:" not in text and text.endswith("and a fork"), text
    assert spawning.request("/").text == "fine"
