"""cowherd run --dev: a new generation when a file changes, errors in the page, the logs on the terminal."""

import contextlib
import os
import pty
import re
import select
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from herd import ENVIRONMENT, wait_until

HTML = (("Accept", "text/html,application/xhtml+xml,*/*;q=0.8"),)


def saying(text):
    return "run ->(env) { [200, {}, ['%s']] }\n" % text


@pytest.fixture
def dev(cowherd):
    """A Herd whose run is for development: its log is its standard error."""
    cowherd.log = cowherd.stderr
    cowherd.settings["log"] = {"level": "debug", "error": cowherd.directory / "unused.log"}
    return cowherd


def start(herd, wait=True, env=None, user=None):
    herd.write_configuration()
    with open(herd._stderr, "ab") as output:
        herd.process = subprocess.Popen(
            [str(herd.program), "run", "--dev", "-c", str(herd.file)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=herd.directory,
            env=env or ENVIRONMENT,
            start_new_session=True,
            **({"user": user, "group": "nogroup", "extra_groups": []} if user else {}),
        )
    herd.sessions.append(herd.process)
    if wait:
        herd.wait_until(lambda: herd.log_lines("ready: 1 pool"), what=herd.stderr)
    return herd


def ask(herd, uri="/", **about):
    return herd.request(uri, host="app.test", **about)


def wait_answer(herd, text, uri="/"):
    """Answered so from now on: each request is another's chance to be answered by the old code."""
    herd.wait_until(lambda: ask(herd, uri).text == text, what=lambda: "%r; log:\n%s" % (text, herd.stderr()))


def generations(herd):
    return len(herd.log_lines("is loading (mold"))


def replace(path, text):
    """As editors do."""
    other = path.with_name(path.name + ".tmp")
    other.write_text(text)
    other.rename(path)


# -- changes


def test_a_save_brings_a_new_generation(dev):
    path = dev.app(saying("one"), host="app.test")
    dev.configure(workers=5)
    start(dev)
    assert ask(dev).text == "one"
    assert len(dev.workers()) == 1, "whatever is configured"
    path.write_text(saying("two"))
    wait_answer(dev, "two")
    assert dev.log_lines("%s has changed" % path)
    replace(path, saying("three"))
    wait_answer(dev, "three")
    path.unlink()
    path.write_text(saying("four"))
    wait_answer(dev, "four")
    assert not (dev.directory / "unused.log").exists(), "the log is on the terminal"


def test_files_that_are_required_preloaded_and_loaded(dev):
    path = dev.app(
        "require_relative 'lib/a'\nload 'lib/b.rb'\n"
        "run ->(env) {\n  require_relative 'lib/late' if env['PATH_INFO'] == '/late'\n"
        "  [200, {}, [[A, B, $preloaded, $late].join(' ')]]\n}\n",
        host="app.test",
    )
    root = path.parent
    dev.write("apps/web0/lib/a.rb", "A = 1\n")
    dev.write("apps/web0/lib/b.rb", "B = 1\n")
    dev.write("apps/web0/lib/late.rb", "$late = 1\n")
    preload = dev.write("shared/pre.rb", "$preloaded = 1\n")
    dev.configure(preload=[preload])
    start(dev)
    wait_answer(dev, "1 1 1 ")
    replace(root / "lib/a.rb", "A = 2\n")
    wait_answer(dev, "2 1 1 ")
    (root / "lib/b.rb").write_text("B = 2\n")
    wait_answer(dev, "2 2 1 ")
    preload.write_text("$preloaded = 2\n")
    wait_answer(dev, "2 2 2 ")
    assert ask(dev, "/late").text == "2 2 2 1"
    # A worker has loaded that one, in a request.
    replace(root / "lib/late.rb", "$late = 2\n")
    wait_answer(dev, "2 2 2 2", "/late")
    # A folder that goes and comes again.
    before = generations(dev)
    (root / "lib").rename(root / "away")
    dev.wait_until(lambda: generations(dev) > before and dev.log_lines("failed:", "cannot load such file"))
    (root / "away/a.rb").write_text("A = 3\n")
    (root / "away").rename(root / "lib")
    wait_answer(dev, "3 2 2 ")


def test_other_files_change_nothing(dev):
    path = dev.app(saying("one"), host="app.test")
    start(dev)
    assert generations(dev) == 1
    for name in ("notes.txt", "config.ru~", ".config.ru.swp", "other.rb", "4913"):
        (path.parent / name).write_text("x")
    (path.parent / "folder").mkdir()
    # What comes after them is the second change.
    replace(path, saying("two"))
    wait_answer(dev, "two")
    assert generations(dev) == 2


def test_many_changes_at_once_are_few_generations(dev):
    names = ["lib%d" % n for n in range(40)]
    path = dev.app("".join("require_relative '%s'\n" % name for name in names) + saying("one"), host="app.test")
    for name in names:
        (path.parent / (name + ".rb")).write_text("x = 1\n")
    start(dev)
    for name in names:
        (path.parent / (name + ".rb")).write_text("x = 2\n")
    replace(path, saying("two"))
    wait_answer(dev, "two")
    assert generations(dev) < 20, "and not one a file"


def test_the_configuration_is_a_file_like_others(dev):
    dev.app(saying("one"), host="app.test")
    start(dev)
    other = dev.write("other/config.ru", saying("elsewhere"))
    dev.pools["web"]["apps"][0]["root"] = other.parent
    dev.write_configuration()
    wait_answer(dev, "elsewhere")
    text = dev.file.read_text()
    dev.file.write_text(text + "nonsense: 1\n")
    dev.wait_until(lambda: dev.log_lines("the configuration can't be used, the old one stays in force"))
    assert ask(dev).text == "elsewhere"
    dev.file.write_text(text)
    replace(other, saying("again"))
    wait_answer(dev, "again")


def scripts(herd, cache):
    root = herd.directory / "apps/scripts"
    herd.write("apps/scripts/index.rb", "[200, {}, ['one']]\n")
    herd.configure(apps=[{"host": "app.test", "root": root, "scripts": {"cache": cache}}])
    return root


def test_cached_scripts(dev):
    root = scripts(dev, True)
    start(dev)
    assert ask(dev).text == "one"
    replace(root / "index.rb", "[200, {}, ['two']]\n")
    wait_answer(dev, "two")
    assert ask(dev, "/sub/new.rb").status == 404
    (root / "sub").mkdir()
    (root / "sub/new.rb").write_text("[200, {}, ['new']]\n")
    wait_answer(dev, "new", "/sub/new.rb")
    (root / "sub/new.rb").unlink()
    dev.wait_until(lambda: ask(dev, "/sub/new.rb").status == 404)


def test_scripts_that_are_looked_at_need_no_generation(dev):
    root = scripts(dev, False)
    start(dev)
    assert ask(dev).text == "one"
    replace(root / "index.rb", "[200, {}, ['two']]\n")
    assert ask(dev).text == "two"
    # What comes after that is the second generation.
    dev.file.write_text(dev.file.read_text() + "# changed\n")
    dev.wait_until(lambda: dev.log_lines("generation 2 is serving"))
    assert generations(dev) == 2


def test_a_change_while_it_loads_is_not_lost(dev):
    """The file is another by the time at which the supervisor hears that it was loaded."""
    fifo = dev.fifo()
    path = dev.app(
        "require_relative 'lib'\nFile.open('%s') { |f| f.read } if WAIT\n" % fifo
        + "run ->(env) { [200, {}, [TEXT]] }\n",
        host="app.test",
    )
    lib = path.parent / "lib.rb"
    lib.write_text("WAIT = true\nTEXT = 'one'\n")
    start(dev, wait=False)
    with fifo.wait_reader():
        lib.write_text("WAIT = false\nTEXT = 'two'\n")
    wait_until(lambda: dev.log_lines("ready: 1 pool"))
    wait_answer(dev, "two")


# -- errors


def test_a_reload_that_fails_keeps_what_serves(dev):
    path = dev.app(saying("one"), host="app.test")
    start(dev)
    path.write_text("run ->(env) { [200, {}, ['two'\n")
    lines = dev.wait_log("failed: ", "%s:2:0: syntax error" % path)
    assert " warn " in lines[0]
    assert ask(dev).text == "one"
    path.write_text(saying("two"))
    wait_answer(dev, "two")


def test_a_start_that_fails_waits_for_the_next_save(dev):
    path = dev.app("require_relative 'missing'\n" + saying("one"), host="app.test")
    start(dev)
    response = dev.wait_until(lambda: ask(dev))
    assert response.status == 503
    assert "cannot load such file" in response.text and "missing" in response.text
    assert response.header("cache-control") == "no-store"
    assert dev.pool()["generation"] in (0, None, 1) and not dev.workers()
    # Another error: the page follows.
    replace(path, "\nraise 'not <yet>'\n")
    dev.wait_until(lambda: "not <yet> (RuntimeError)" in ask(dev).text and "%s:2" % path in ask(dev).text)
    replace(path, saying("one"))
    wait_answer(dev, "one")
    dev.wait_until(lambda: dev.log_lines("a worker is ready: the fallback leaves"))
    # The file that was missing is waited for, too.
    ledger = dev.ledger()
    assert ledger["lost"] == 0
    assert dev.stop() == 0


def test_the_missing_file_comes(dev):
    dev.app("require_relative 'lib/missing'\nrun ->(env) { [200, {}, [TEXT]] }\n", host="app.test")
    start(dev)
    dev.wait_until(lambda: ask(dev).status == 503)
    dev.write("apps/web0/lib/missing.rb", "TEXT = 'here'\n")
    wait_answer(dev, "here")


def test_a_start_that_fails_can_be_stopped(dev):
    dev.app("raise 'never'\n", host="app.test")
    start(dev)
    assert ask(dev).status == 503
    assert dev.stop() == 0
    assert not Path(dev.address()).exists()


APP = """class Broken < StandardError
end

def fail_with(text)
  raise Broken, text # <here> & "now"
end

run ->(env) {
  case env["PATH_INFO"]
  when "/raise" then fail_with("<script>alert(1)</script> in #{env["QUERY_STRING"]}")
  when "/syntax" then load "syntax.rb"
  when "/gone" then load "gone.rb"
  when "/exit" then exit
  else [200, {}, [IO.popen("echo $RACK_ENV") { |io| io.read.strip }]]
  end
}
"""


def test_the_page_shows_the_source(dev):
    path = dev.app(APP, host="app.test")
    dev.write("apps/web0/syntax.rb", "x = 1\ny = = 2\n")
    start(dev)
    page = ask(dev, "/raise?a", headers=HTML)
    assert page.status == 500
    assert page.header("content-type") == "text/html; charset=utf-8"
    assert page.text.startswith("<!DOCTYPE html>")
    assert "<script>" not in page.text and "&lt;script&gt;alert(1)&lt;/script&gt; in a (Broken)" in page.text
    assert "<h2>%s:5</h2>" % path in page.text
    assert "<b>    5    raise Broken, text # &lt;here&gt; &amp; &quot;now&quot;</b>" in page.text
    assert "    4  def fail_with(text)" in page.text and "   10    when &quot;/raise&quot;" in page.text
    assert "%s:10" % path in page.text.partition("Backtrace")[2]
    head = ask(dev, "/raise", headers=HTML, method="HEAD")
    assert head.status == 500 and head.body == b""

    plain = ask(dev, "/raise?a")
    assert plain.header("content-type").startswith("text/plain")
    assert "<script>alert(1)</script> in a (Broken)\n  %s:5:in fail_with" % path in plain.text

    page = ask(dev, "/syntax", headers=HTML)
    assert "<b>    2  y = = 2</b>" in page.text, page.text
    page = ask(dev, "/gone", headers=HTML)
    assert "cannot load such file -- gone.rb (LoadError)" in page.text
    # Who asks may not choose the file that is shown.
    page = ask(dev, "/raise?%%0a%%20%%20%s:1" % path, headers=HTML)
    assert "<h2>%s:5</h2>" % path in page.text
    page = ask(dev, "/exit", headers=HTML)
    assert "(SystemExit)" in page.text


def test_outside_of_development_nothing_is_shown(cowherd):
    cowherd.app(APP, host="app.test")
    cowherd.start()
    response = ask(cowherd, "/raise", headers=HTML)
    assert response.status == 500 and response.text == "500 Internal Server Error\n"
    assert ask(cowherd).text == os.environ.get("RACK_ENV", "")


# -- the surroundings


def test_rack_env(dev):
    without = {name: value for name, value in ENVIRONMENT.items() if name != "RACK_ENV"}
    dev.app(APP, host="app.test")
    start(dev, env=without)
    assert ask(dev).text == "development"
    dev.configure(env={"RACK_ENV": "test"})
    dev.write_configuration()
    wait_answer(dev, "test")


def test_rack_env_of_who_starts_it(dev):
    dev.app(APP, host="app.test")
    start(dev, env={**ENVIRONMENT, "RACK_ENV": "mine"})
    assert ask(dev).text == "mine"


def test_no_root_and_no_places_of_the_system(dev):
    """As nobody, with the configuration of a server: accounts don't count, the control socket finds a place."""
    user = "nobody" if os.geteuid() == 0 else None
    if user and subprocess.run([str(dev.program), "version"], user=user, capture_output=True).returncode != 0:
        pytest.skip("nobody can't read the programs")
    closed = dev.directory / "closed"
    closed.mkdir(mode=0o555)
    place = dev.directory / "tmp"
    place.mkdir()
    dev.settings.update(control=closed / "control.sock", pid_file=closed / "cowherd.pid")
    sockets = dev.directory / "sockets"
    sockets.mkdir()
    for folder in (place, sockets):
        if user:
            shutil.chown(folder, user)
    dev.configure(listen=sockets / "web.sock", user="root", socket={"owner": "root", "group": "root"})
    path = dev.app(saying("one"), host="app.test")
    start(dev, env={**ENVIRONMENT, "TMPDIR": str(place)}, user=user)
    assert ask(dev).text == "one"
    (line,) = dev.log_lines("the control socket is")
    control = re.search(r"the control socket is (\S+):", line).group(1)
    assert dev.command("status", "-s", control, file=False).returncode == 0
    path.write_text(saying("two"))
    wait_answer(dev, "two")
    assert dev.stop() == 0
    assert list(place.iterdir()) == [], "nothing is left behind"


def test_upgrade_is_refused(dev):
    dev.app(saying("one"), host="app.test")
    start(dev)
    result = dev.command("upgrade")
    assert result.returncode == 1 and "for development" in result.stderr
    assert not dev.log_lines("upgrade: it waits")
    assert ask(dev).text == "one"


class Terminal:
    """cowherd on a terminal of its own; everything it has shown."""

    def __init__(self, herd, **env):
        self.herd, self.shown = herd, b""
        herd.write_configuration()
        master, slave = pty.openpty()
        self.master = master
        variables = {name: value for name, value in ENVIRONMENT.items() if name not in ("NO_COLOR", "TERM")}
        herd.process = subprocess.Popen(
            [str(herd.program), "run", "--dev", "-c", str(herd.file)],
            stdin=subprocess.DEVNULL,
            stdout=slave,
            stderr=slave,
            cwd=herd.directory,
            env={**variables, "TERM": "xterm", **env},
            start_new_session=True,
        )
        os.close(slave)
        herd.sessions.append(herd.process)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        while not self._stop.is_set():
            if select.select([self.master], [], [], 0.05)[0]:
                try:
                    self.shown += os.read(self.master, 65536)
                except OSError:
                    return

    def wait(self, pattern):
        return self.herd.wait_until(
            lambda: re.search(pattern, self.shown), what=lambda: "%s in\n%s" % (pattern, self.shown.decode())
        )

    def close(self):
        self.herd.process.send_signal(signal.SIGTERM)
        self.herd.process.wait(20)
        self._stop.set()
        self._thread.join(20)
        os.close(self.master)


@contextlib.contextmanager
def terminal(herd, **env):
    shown = Terminal(herd, **env)
    try:
        yield shown
    finally:
        shown.close()


def test_a_terminal_is_in_colour(dev):
    path = dev.app(APP, host="app.test")
    with terminal(dev) as shown:
        shown.wait(rb"ready: 1 pool\r\n")
        assert ask(dev).status == 200
        assert ask(dev, "/raise").status == 500
        shown.wait(rb'\x1b\[32m[^\n]*"GET / HTTP/1\.\d" 200 [^\n]*\x1b\[0m\r\n')
        shown.wait(rb'\x1b\[31m[^\n]*"GET /raise HTTP/1\.\d" 500 [^\n]*\x1b\[0m\r\n')
        shown.wait(rb"\x1b\[31m[^\n]* error [^\n]*\(Broken\)\x1b\[0m\r\n")
        path.write_text("raise 'no'\n")
        shown.wait(rb"\x1b\[33m[^\n]* warn [^\n]*generation 2 failed: [^\n]*no \(RuntimeError\)\x1b\[0m\r\n")
        assert not re.search(rb"\x1b\[3\dm[^\n]* info ", shown.shown), "what is usual is plain"


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_a_terminal_that_wants_no_colour(dev, env):
    dev.app(APP, host="app.test")
    with terminal(dev, **env) as shown:
        shown.wait(rb"ready: 1 pool\r\n")
        assert ask(dev, "/raise").status == 500
        shown.wait(rb'"GET /raise HTTP/1\.\d" 500 ')
        shown.wait(rb" error [^\n]*\(Broken\)\r\n")
        assert b"\x1b" not in shown.shown


def test_a_file_gets_no_colour(dev):
    dev.app(APP, host="app.test")
    start(dev)
    assert ask(dev, "/raise").status == 500
    dev.wait_log('"GET /raise HTTP/1.1" 500 ')
    dev.wait_log("(Broken)")
    assert "\x1b" not in dev.stderr()
