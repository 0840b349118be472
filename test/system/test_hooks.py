"""Hooks: Ruby files of an app that run at the events of a process's life and of a request."""

import os
import signal

import pytest

from herd import PATIENCE, plain_program, process_stat, session_processes, wait_until

APP = """
run ->(env) {
  raise "the app raises" if env["PATH_INFO"] == "/raise"
  [200, {"content-type" => "text/plain"}, ["app #{env["PATH_INFO"]} #{$said}"]]
}
"""

# What a hook does when it is to leave a trace for the test.
# (In one piece: two workers may do so at a time.)
NOTE = 'File.open("%s", "a") { |f| f.write "%s\\n" }\n'


class Notes:
    """A file that hooks write lines to."""

    def __init__(self, herd, name="notes"):
        self.path = herd.directory / name
        self.path.touch()
        self.path.chmod(0o666)

    def ruby(self, text):
        return NOTE % (self.path, text)

    def lines(self):
        return self.path.read_text().split("\n")[:-1]

    def wait(self, *expected):
        wait_until(lambda: self.lines() == list(expected), what=lambda: "%s, got %s" % (expected, self.lines()))


@pytest.fixture
def notes(cowherd):
    return Notes(cowherd)


def hook(herd, event, source, file=None, app="web0", **settings):
    """Writes the file below the app's root and returns the entry for the configuration."""
    file = file or "%s_%d.rb" % (event, len(list((herd.directory / "apps" / app).glob("*.rb"))))
    (herd.directory / "apps" / app).mkdir(parents=True, exist_ok=True)
    herd.write("apps/%s/%s" % (app, file), source)
    return {"event": event, "file": file, **settings}


def start_with(herd, *hooks, source=APP, **settings):
    herd.app(source, hooks=list(hooks), **settings)
    return herd.start()


# -- preload


def test_preload_runs_in_the_mold_before_the_apps_own_file_and_stays_shared(cowherd, notes):
    start_with(
        cowherd,
        hook(cowherd, "preload", notes.ruby("#{Process.pid rescue 0} #{Dir.getwd}") + "PARTS = %w[one two]\n"),
        hook(cowherd, "preload", "PARTS << 'three'\n"),
        source="WHOLE = PARTS.join('+')\nrun ->(env) { [200, {}, [WHOLE]] }",
    )
    assert [cowherd.request("/").text for _ in range(4)] == ["one+two+three"] * 4
    assert len(notes.lines()) == 1
    assert notes.lines()[0].endswith(" %s" % (cowherd.directory / "apps/web0"))


def test_a_preload_hook_that_raises_fails_the_reload_and_the_old_generation_goes_on(cowherd):
    start_with(cowherd, hook(cowherd, "preload", "$said = 'old'\n", file="early.rb"))
    cowherd.write("apps/web0/early.rb", "\nraise 'too early'\n")
    result = cowherd.reload()
    assert result.returncode == 1
    assert "preload hook %s: too early (RuntimeError)" % (cowherd.directory / "apps/web0/early.rb") in result.stderr
    assert "early.rb:2" in result.stderr
    assert cowherd.request("/x").text == "app /x old"


def test_check_compiles_hooks(cowherd):
    cowherd.app(APP, hooks=[hook(cowherd, "access", "def (\n", file="broken.rb")])
    cowherd.write_configuration()
    result = cowherd.command("check")
    assert result.returncode != 0
    assert "%s:2:0: syntax error" % (cowherd.directory / "apps/web0/broken.rb") in result.stdout + result.stderr


# -- worker_start


def test_worker_start_runs_in_each_worker_before_its_first_request_in_the_configured_order(cowherd, notes):
    cowherd.configure(workers=3)
    start_with(
        cowherd,
        hook(cowherd, "worker_start", "$said = [Dir.getwd]\n" + notes.ruby("start")),
        hook(cowherd, "worker_start", "$said << 'second'\n"),
    )
    assert notes.lines() == ["start"] * 3
    expected = "app / %s" % [str(cowherd.directory / "apps/web0"), "second"]
    assert {cowherd.request("/").text for _ in range(12)} == {expected.replace("'", '"')}


def test_each_app_of_a_shared_interpreter_runs_its_own_in_its_own_root(cowherd, notes):
    cowherd.configure(workers=1)
    for name in ("one", "two"):
        cowherd.app(
            APP,
            host=name + ".test",
            name=name,
            interpreter="shared",
            hooks=[hook(cowherd, "worker_start", notes.ruby("%s #{Dir.getwd}" % name), app=name)],
        )
    cowherd.start()
    assert notes.lines() == ["%s %s" % (name, cowherd.directory / "apps" / name) for name in ("one", "two")]


def test_a_worker_start_hook_that_raises_fails_the_generation_with_its_error(cowherd):
    cowherd.deaths_expected = True
    start_with(cowherd, hook(cowherd, "worker_start", "$said = 'old'\n", file="open.rb"))
    pids = cowherd.worker_pids()
    cowherd.write("apps/web0/open.rb", "def open_it\n  raise ArgumentError, 'no database'\nend\nopen_it\n")
    result = cowherd.reload()
    assert result.returncode == 1
    path = cowherd.directory / "apps/web0/open.rb"
    assert "worker_start hook %s: no database (ArgumentError)" % path in result.stderr
    assert "%s:2:in open_it" % path in result.stderr
    cowherd.wait_until(lambda: cowherd.worker_pids() == pids, what="the old workers are the only ones again")
    assert cowherd.request("/x").text == "app /x old"


def test_a_worker_that_serves_already_when_its_generation_is_given_up_answers_first(cowherd):
    """Here by a stop. The supervisor reads of the stop first, and then that the worker is ready."""
    gate, held = cowherd.fifo(), cowherd.fifo()
    cowherd.configure(workers=1)
    start = hook(cowherd, "worker_start", "File.open('%s') { |f| f.read }\n" % gate)
    cowherd.app("run ->(env) { File.open('%s') { |f| f.read }; [200, {}, ['answered']] }" % held, hooks=[start])
    cowherd.start(ready=False)
    with gate.wait_reader():
        cowherd.signal(signal.SIGSTOP)
        wait_until(lambda: process_stat(cowherd.process.pid)[0] == "T")
        cowherd.signal(signal.SIGTERM)
    with cowherd.connect() as connection:
        response = connection.start()
        with held.wait_reader():
            cowherd.signal(signal.SIGCONT)
            cowherd.wait_log("generation 1 failed: the pool stops")
        assert connection.read_response(response).text == "answered"
    assert cowherd.process.wait(PATIENCE) == 0


def test_a_first_start_with_a_failing_worker_start_hook_says_so(cowherd):
    cowherd.deaths_expected = True
    cowherd.configure(workers=1)
    cowherd.app(APP, hooks=[hook(cowherd, "worker_start", "raise 'nothing to start with'\n")])
    cowherd.write_configuration()
    cowherd.start(ready=False)
    cowherd.wait_log("nothing to start with (RuntimeError)")
    cowherd.wait_log("generation 1 failed")


def test_a_warming_worker_runs_its_start_hooks_first_and_their_error_is_the_generations(cowherd):
    cowherd.deaths_expected = True
    cowherd.configure(workers=1, warmup=["/warm"])
    source = "raise 'no socket' if File.exist?('bad')\n$said = 'started'\n"
    start_with(cowherd, hook(cowherd, "worker_start", source))
    assert cowherd.request("/").text == "app / started"
    cowherd.write("apps/web0/bad", "")
    result = cowherd.reload()
    assert result.returncode == 1
    assert "no socket (RuntimeError)" in result.stderr
    assert "warmup" not in result.stderr


def test_replacements_that_fail_to_start_are_ordered_after_growing_pauses_and_recovery_is_by_itself(cowherd):
    cowherd.deaths_expected = True
    cowherd.configure(workers=1)
    start_with(cowherd, hook(cowherd, "worker_start", "raise 'lost it' if File.exist?('bad')\n"))
    cowherd.write("apps/web0/bad", "")
    os.kill(next(iter(cowherd.worker_pids())), signal.SIGKILL)
    cowherd.wait_log("worker 0 can't start:", "lost it (RuntimeError)")
    wait_until(lambda: len(cowherd.log_lines("workers die young")) >= 3, what="three pauses")
    (cowherd.directory / "apps/web0/bad").unlink()
    cowherd.wait_ready()
    assert cowherd.request("/").status == 200


@plain_program("loading takes longer than this ready_timeout")
def test_a_worker_start_hook_that_never_ends_is_bounded_by_ready_timeout(cowherd):
    cowherd.deaths_expected = True
    cowherd.configure(workers=1)
    fifo = cowherd.fifo()
    start_with(cowherd, hook(cowherd, "worker_start", "File.open('%s') { |f| f.read } if File.exist?('hang')\n" % fifo))
    cowherd.write("apps/web0/hang", "")
    cowherd.configure(restart={"ready_timeout": "2s"})
    cowherd.write_configuration()
    result = cowherd.reload()
    assert result.returncode == 1
    assert "not ready within restart.ready_timeout (2.0 s)" in result.stderr
    assert "worker 0 is still in its worker_start hook %s" % (cowherd.directory / "apps/web0/worker_start_0.rb") in (
        result.stderr
    )
    assert cowherd.request("/").status == 200


def test_what_worker_start_opens_is_each_workers_own(cowherd):
    cowherd.configure(workers=3)
    source = "READER, WRITER = IO.pipe\nWRITER.syswrite(PID = File.open('/proc/self/stat') { |f| f.gets.to_i.to_s })\n"
    app = "run ->(env) { said = READER.sysread(20); WRITER.syswrite(said); [200, {}, [PID, ' ', said]] }"
    start_with(cowherd, hook(cowherd, "worker_start", source), source=app)
    for _ in range(9):
        own, said = cowherd.request("/").text.split(" ")
        assert own == said
        assert int(own) in cowherd.worker_pids()


# -- worker_stop


def test_worker_stop_runs_when_a_worker_leaves_gracefully_and_not_when_it_is_killed(cowherd, notes):
    cowherd.deaths_expected = True
    cowherd.configure(workers=1)
    start_with(
        cowherd,
        hook(cowherd, "worker_stop", notes.ruby("stop #{$said} #{Dir.getwd}")),
        hook(cowherd, "worker_stop", notes.ruby("and then")),
        hook(cowherd, "worker_start", "$said = 'started'\n"),
    )
    stop = ["stop started %s" % (cowherd.directory / "apps/web0"), "and then"]
    pid = next(iter(cowherd.worker_pids()))
    os.kill(pid, signal.SIGKILL)
    cowherd.wait_until(lambda: cowherd.worker_pids() not in ({pid}, set()))
    cowherd.wait_ready()
    assert notes.lines() == []

    assert cowherd.reload().returncode == 0
    notes.wait(*stop)
    assert cowherd.stop() == 0
    assert notes.lines() == stop * 2


def test_worker_stop_runs_in_a_recycled_worker(cowherd, notes):
    cowherd.configure(workers=1, recycle={"requests": 2, "jitter": "0%"})
    start_with(cowherd, hook(cowherd, "worker_stop", notes.ruby("stop")))
    wait_until(lambda: cowherd.request("/").status == 200 and "stop" in notes.lines(), what="a recycled worker's stop")


def test_worker_stop_runs_in_a_worker_whose_supervisor_has_died(cowherd, notes):
    cowherd.deaths_expected = True
    start_with(cowherd, hook(cowherd, "worker_stop", notes.ruby("stop")))
    cowherd.signal(signal.SIGKILL)
    cowherd.process.wait()
    notes.wait("stop", "stop")
    wait_until(lambda: not session_processes(cowherd.process.pid))


def test_what_worker_stop_raises_is_logged_and_the_next_one_runs(cowherd, notes):
    cowherd.configure(workers=1)
    start_with(
        cowherd,
        hook(cowherd, "worker_stop", "raise 'cannot let go'\n"),
        hook(cowherd, "worker_stop", notes.ruby("stop")),
    )
    assert cowherd.stop() == 0
    assert notes.lines() == ["stop"]
    assert cowherd.log_lines("worker_stop hook", "cannot let go (RuntimeError)")


@plain_program("the rest of the hook takes longer than this drain_timeout")
@pytest.mark.parametrize("orphan", [False, True])
def test_a_worker_stop_hook_that_never_ends_is_bounded_by_drain_timeout(cowherd, notes, orphan):
    cowherd.deaths_expected = orphan
    cowherd.configure(
        workers=1, restart={"drain_timeout": "1s"}, timeouts={"request": "500ms", "hard": "600ms"}
    )
    source = "begin\n  loop { }\nensure\n" + notes.ruby("ensured") + "end\n"
    start_with(cowherd, hook(cowherd, "worker_stop", source))
    if orphan:
        cowherd.signal(signal.SIGKILL)
        cowherd.process.wait()
        wait_until(lambda: not session_processes(cowherd.process.pid))
    else:
        assert cowherd.stop() == 0
        assert cowherd.log_lines("worker_stop hook", "has run for longer than restart.drain_timeout")
    assert notes.lines() == ["ensured"]


# -- access


def test_access_hooks_run_in_order_and_the_first_that_answers_ends_it(cowherd, notes):
    start_with(
        cowherd,
        hook(cowherd, "access", "$said = 'first'\nnil\n"),
        hook(cowherd, "access", "$said += ' second'\n[403, {'x-by' => 'second'}, ['no']] if File.exist?('closed')\n"),
        hook(cowherd, "access", "$said += ' third'\n[399, {}, []]\n"),
    )
    assert cowherd.request("/x").text == "app /x first second third"
    cowherd.write("apps/web0/closed", "")
    refused = cowherd.request("/x")
    assert (refused.status, refused.header("x-by"), refused.text) == (403, "second", "no")


@pytest.mark.parametrize(
    "uri, guarded",
    [
        ("/private", True),
        ("/private/", True),
        ("/private/x", True),
        ("/private?q=1", True),
        ("/%70rivate", True),
        ("//private", True),
        ("/./private/x", True),
        ("/x/../private/x", True),
        ("/private/../x", True),
        ("/x/..//./private", True),
        ("/..%2fprivate", True),
        ("/", False),
        ("/privat", False),
        ("/private-not", False),
        ("/x/private", False),
        ("/Private", False),
    ],
)
def test_a_path_limits_access_hooks_at_segment_boundaries_and_is_not_got_around(guarded_app, uri, guarded):
    assert guarded_app.request(uri).status == (403 if guarded else 200)
    assert guarded_app.request("/app" + uri, host="below.test").status == (403 if guarded else 200)


@pytest.fixture(scope="module")
def guarded_app(module_cowherd):
    herd = module_cowherd
    entry = hook(herd, "access", "[403, {}, ['no']]\n", path="/private")
    herd.app(APP, hooks=[entry])
    herd.app(APP, host="below.test", path="/app", hooks=[hook(herd, "access", "[403, {}, ['no']]\n", "a.rb", "web1", path="/private")])
    return herd.start()


def test_an_access_hook_that_raises_is_a_500_and_never_passes(cowherd):
    start_with(cowherd, hook(cowherd, "access", "raise 'who are you'\n", path="/guarded"))
    answer = cowherd.request("/guarded")
    assert (answer.status, "app" in answer.text) == (500, False)
    cowherd.wait_log("GET /guarded: who are you (RuntimeError)")
    assert cowherd.request("/").status == 200
    cowherd.wait_until(lambda: cowherd.ledger()["error_answered"] == 1)


def test_an_access_hook_that_does_not_compile_or_is_gone_is_a_500_until_it_is_repaired(cowherd):
    cowherd.configure(workers=1)
    start_with(cowherd, hook(cowherd, "access", "$said = 'one'\nnil\n", file="check.rb", cache=False))
    path = cowherd.directory / "apps/web0/check.rb"
    assert cowherd.request("/").text == "app / one"
    path.write_text("$said = (\n")
    assert cowherd.request("/").status == 500
    cowherd.wait_log("%s:" % path, "SyntaxError")
    path.unlink()
    assert cowherd.request("/").status == 500
    cowherd.wait_log("LoadError")
    path.write_text("$said = 'mended'\nnil\n")
    assert cowherd.request("/").text == "app / mended"


def test_a_cached_hook_stays_as_it_was_loaded_until_the_next_reload(cowherd):
    start_with(cowherd, hook(cowherd, "access", "$said = 'one'\nnil\n", file="check.rb"))
    cowherd.write("apps/web0/check.rb", "$said = 'two'\nnil\n")
    assert cowherd.request("/").text == "app / one"
    assert cowherd.reload().returncode == 0
    cowherd.wait_generation(2)
    assert cowherd.request("/").text == "app / two"


def test_the_time_out_of_a_request_covers_its_access_hooks(cowherd):
    cowherd.configure(workers=1, timeouts={"request": "300ms", "hard": "20s"})
    start_with(cowherd, hook(cowherd, "access", "loop { } if File.exist?('hang')\n"))
    cowherd.write("apps/web0/hang", "")
    assert cowherd.request("/").status == 504
    cowherd.wait_log("has run for longer than timeouts.request", "RequestTimeout")
    (cowherd.directory / "apps/web0/hang").unlink()
    cowherd.wait_until(lambda: cowherd.request("/").status == 200)


def test_an_app_of_access_hooks_alone_answers_200_where_they_pass(cowherd):
    cowherd.app(APP)
    entry = hook(cowherd, "access", "[401, {'www-authenticate' => 'Basic'}, []] unless $ok\n", path="/in")
    cowherd.pools["web"]["apps"][0] = {"host": "*", "root": cowherd.directory / "apps/web0", "hooks": [entry]}
    cowherd.start()
    passed, refused = cowherd.request("/"), cowherd.request("/in")
    assert (passed.status, passed.body) == (200, b"")
    assert (refused.status, refused.header("www-authenticate")) == (401, "Basic")


def test_access_hooks_stand_before_scripts_and_see_the_path_that_was_asked_for(cowherd):
    root = cowherd.write("apps/web0/private/page.rb", "Server = get_server_class\nServer.echo 'page'\n").parents[1]
    cowherd.write("apps/web0/open.rb", "[200, {}, ['open']]\n")
    hooks = [
        hook(cowherd, "access", "Nginx.return 403 if Nginx::Request.new.args == ''\n", "guard.rb", path="/private"),
        hook(cowherd, "access", "Nginx::Headers_out.new['X-Looked'] = 'yes'\n", "look.rb", path="/private/page.rb/x"),
    ]
    cowherd.configure(apps=[{"root": root, "scripts": {"cache": True}, "hooks": hooks}])
    cowherd.start()
    assert cowherd.request("/open.rb").text == "open"
    assert cowherd.request("/private/page.rb").status == 403
    assert cowherd.request("/private/none.rb").status == 403
    assert cowherd.request("/private/none.rb?key").status == 404
    passed = cowherd.request("/private/page.rb?key")
    assert (passed.text, passed.header("x-looked")) == ("page\n", None)
    looked = cowherd.request("/private/page.rb/x?key")
    assert (looked.text, looked.header("x-looked")) == ("page\n", "yes")


def test_what_access_hooks_set_goes_out_with_the_apps_answer_and_its_own_headers_win(cowherd):
    source = "out = Nginx::Headers_out.new\nout['X-From'] = 'hook'\nout['Content-Type'] = 'text/x'\nout['Set-Cookie'] = 'a=1'\n"
    app = 'run ->(env) { [200, {"content-type" => "text/plain", "set-cookie" => "b=2"}, ["x"]] }'
    start_with(cowherd, hook(cowherd, "access", source), source=app)
    answer = cowherd.request("/")
    assert (answer.header("x-from"), answer.header("content-type")) == ("hook", "text/plain")
    assert sorted(answer.all("set-cookie")) == ["a=1", "b=2"]


def test_a_request_object_that_a_hook_keeps_is_dead_in_the_next_request(cowherd):
    cowherd.configure(workers=1)
    source = "begin\n  $said = $kept && $kept.uri\nrescue => e\n  $said = e.message\nend\n$kept = Nginx::Request.new\nnil\n"
    start_with(cowherd, hook(cowherd, "access", source))
    assert cowherd.request("/one").text == "app /one "
    assert cowherd.request("/two").text == "app /two the request that this belongs to is over"


# -- log


def test_log_hooks_see_what_came_of_a_request_in_order_and_below_their_path(cowherd, notes):
    cowherd.configure(workers=1)
    said = notes.ruby("%s #{Nginx::Var.new.status} #{Nginx::Request.new.uri} #{Nginx::Var.new.body_bytes_sent}")
    start_with(
        cowherd,
        hook(cowherd, "log", said % "all"),
        hook(cowherd, "log", said % "some", path="/x"),
        hook(cowherd, "log", "raise 'no time' unless Nginx::Var.new.request_time.tr('0-9', '') == '.'\n"),
    )
    length = len(cowherd.request("/x/y").body)
    expected = ["all 200 /x/y %d" % length, "some 200 /x/y %d" % length]
    notes.wait(*expected)
    length = len(cowherd.request("/raise").body)
    notes.wait(*expected, "all 500 /raise %d" % length)
    assert not cowherd.log_lines("no time")


def test_log_hooks_that_raise_are_logged_and_change_nothing(cowherd, notes):
    cowherd.configure(workers=1)
    start_with(
        cowherd,
        hook(cowherd, "log", "raise 'no disk'\n"),
        hook(cowherd, "log", notes.ruby("second")),
    )
    assert cowherd.request("/x").text.startswith("app /x")
    cowherd.wait_log("log hook", "no disk (RuntimeError)")
    notes.wait("second")
    cowherd.wait_until(lambda: cowherd.ledger()["completed"] >= 1)
    assert cowherd.ledger()["error_answered"] == 0
    assert cowherd.request("/x").status == 200


def test_the_last_match_of_a_log_hook_ends_with_it(cowherd):
    cowherd.configure(workers=1)
    said = "run ->(env) { [200, {}, [$~.inspect]] }\n"
    start_with(cowherd, hook(cowherd, "log", "'of the hook'.match(/h.*/)\n"), source=said)
    assert [cowherd.request("/").text for _ in range(3)] == ["nil"] * 3


def test_the_answer_has_left_when_a_log_hook_runs(cowherd):
    cowherd.configure(workers=1)
    fifo = cowherd.fifo()
    start_with(cowherd, hook(cowherd, "log", "File.open('%s') { |f| f.read }\n" % fifo))
    answer = cowherd.request("/x")
    assert (answer.status, answer.complete) == (200, True)
    fifo.release()


def test_a_request_whose_log_hook_ends_the_worker_is_counted_once(cowherd):
    cowherd.deaths_expected = True
    cowherd.configure(workers=1)
    start_with(cowherd, hook(cowherd, "log", "Kernel.exit!\n"))
    for _ in range(2):
        assert cowherd.request("/x").status == 200
        cowherd.wait_log("exit! was called")
    ledger = cowherd.wait_ledger()
    assert (ledger["accepted"], ledger["completed"], ledger["error_answered"], ledger["lost"]) == (2, 2, 0, 0)


def test_the_time_out_of_a_request_covers_its_log_hooks(cowherd):
    cowherd.configure(workers=1, timeouts={"request": "1s", "hard": "20s"})
    start_with(cowherd, hook(cowherd, "log", "loop { }\n"))
    assert cowherd.request("/x").status == 200
    cowherd.wait_log("log hook", "has run for longer than timeouts.request")
    assert cowherd.request("/x").status == 200
