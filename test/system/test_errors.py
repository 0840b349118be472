"""Apps that fail: when loaded, when called, in the middle of an answer."""

import pytest

APP = """
def deep(n)
  raise ArgumentError, "deep trouble" if n == 0
  deep(n - 1)
end

class Failing
  def each
    yield "first part"
    raise "in the middle"
  end
end

class Silent < StandardError
  def message
    raise "no message either"
  end
end

class NotStandard < Exception
end

def forever(n)
  forever(n + 1) + 1
end

run ->(env) {
  case env["PATH_INFO"]
  when "/raise" then raise "plain trouble"
  when "/deep" then deep(3)
  when "/missing" then nil.no_such_method
  when "/middle" then [200, {}, Failing.new]
  when "/silent" then raise Silent
  when "/not-standard" then raise NotStandard, "beyond rescue"
  when "/stack" then [200, {}, [forever(0).to_s]]
  when "/html" then raise "<script>alert(1)</script>"
  when "/unused" then [200, {}, [($left || "clean").to_s]]
  when "/half" then $left = "half"; raise "left in the middle"
  else [200, {}, ["fine"]]
  end
}
"""


@pytest.fixture(scope="module")
def herd(module_cowherd):
    module_cowherd.configure(workers=1)
    module_cowherd.path = module_cowherd.app(APP, host="app.test")
    module_cowherd.configure("open", show_errors=True)
    module_cowherd.app(APP, host="app.test", pool="open")
    return module_cowherd.start()


def line_of(text):
    return 1 + next(n for n, line in enumerate(APP.split("\n")) if text in line)


@pytest.mark.parametrize(
    "uri, message, place",
    [
        ("/raise", "plain trouble (RuntimeError)", 'raise "plain trouble"'),
        ("/deep", "deep trouble (ArgumentError)", "raise ArgumentError"),
        ("/missing", "(NoMethodError)", "no_such_method"),
        ("/not-standard", "beyond rescue (NotStandard)", "raise NotStandard"),
        ("/silent", "Silent", "raise Silent"),
    ],
)
def test_an_exception_is_a_500_with_file_and_line_in_the_log(herd, uri, message, place):
    pid = herd.workers()[0]["pid"]
    response = herd.request(uri, host="app.test")
    assert (response.status, response.complete) == (500, True)
    assert response.header("content-type").startswith("text/plain")
    assert b"trouble" not in response.body and b"config.ru" not in response.body
    herd.wait_log("app.test/", "%s:%d" % (herd.path, line_of(place)))
    assert herd.wait_log(message, "[web/0 %d app.test/]" % pid)
    assert herd.request("/", host="app.test").text == "fine"
    assert herd.workers()[0]["pid"] == pid, "the worker was unharmed"


def test_the_whole_backtrace_is_in_the_log(herd):
    before = len(herd.log_lines("%s:%d" % (herd.path, line_of("deep(n - 1)"))))
    herd.request("/deep", host="app.test")
    place = "%s:%d" % (herd.path, line_of("deep(n - 1)"))
    herd.wait_until(lambda: len(herd.log_lines(place)) >= before + 3)


def test_endless_recursion_is_a_500_and_the_interpreter_stays_usable(herd):
    pid = herd.workers()[0]["pid"]
    for _ in range(3):
        assert herd.request("/stack", host="app.test").status == 500
        assert herd.request("/", host="app.test").text == "fine"
    assert herd.workers()[0]["pid"] == pid


def test_an_exception_in_the_middle_of_an_answer_ends_it_and_is_logged(herd):
    pid = herd.workers()[0]["pid"]
    with herd.connect() as connection:
        response = connection.start(uri="/middle", host="app.test")
        try:
            connection.read_response(response)
        except Exception as error:  # cutting the connection is one way to say that it failed
            assert type(error).__name__ == "ConnectionClosed", error
    assert response.status in (200, 500)
    herd.wait_log("in the middle (RuntimeError)")
    assert herd.request("/", host="app.test").text == "fine"
    assert herd.workers()[0]["pid"] == pid


def test_show_errors_puts_the_backtrace_into_the_page(herd):
    path = herd.directory / "apps/open0/config.ru"
    response = herd.request("/deep", pool="open", host="app.test")
    assert response.status == 500
    assert "deep trouble" in response.text and "ArgumentError" in response.text
    assert "%s:%d" % (path, line_of("raise ArgumentError")) in response.text


def test_show_errors_never_makes_html_of_a_message(herd):
    response = herd.request("/html", pool="open", host="app.test")
    assert response.status == 500
    assert response.header("content-type").startswith("text/plain") or b"<script>" not in response.body


def test_head_gets_no_error_page(herd):
    response = herd.request("/raise", method="HEAD", host="app.test")
    assert (response.status, response.size) == (500, 0)


def test_many_exceptions_leave_a_usable_interpreter(herd):
    pid = herd.workers()[0]["pid"]
    with herd.client() as client:
        for _ in range(300):
            assert client.request(uri="/deep", host="app.test").status == 500
        assert client.request(uri="/", host="app.test").text == "fine"
    assert herd.workers()[0]["pid"] == pid


# -- at start

BROKEN = "run ->(env) {\n  [200, {}, ['unfinished'\n}\n"


def test_a_syntax_error_fails_the_start_and_says_where(cowherd):
    path = cowherd.app(BROKEN)
    status, said = cowherd.run_failing()
    said += cowherd.log()
    assert status == 1
    assert "%s:3:" % path in said, said
    assert "syntax error" in said
    assert not (cowherd.directory / "web.sock").exists()
    assert not (cowherd.directory / "cowherd.pid").exists()


@pytest.mark.parametrize(
    "source, message",
    [
        ("x = 1\nraise 'not today'\n", "not today"),
        ("x = 1\nno_such_thing\n", "no_such_thing"),
        ("x = 1\ny = 2\n", ""),
        ("", ""),
    ],
    ids=["raise", "name-error", "nothing-callable", "empty"],
)
def test_an_app_that_fails_to_load_fails_the_start_and_says_where(cowherd, source, message):
    path = cowherd.app(source)
    status, said = cowherd.run_failing()
    said += cowherd.log()
    assert status == 1
    assert str(path) in said and message in said, said
    if message:
        assert "%s:2" % path in said, said


def test_an_app_file_that_is_missing_fails_the_start_and_is_named(cowherd):
    path = cowherd.app("")
    path.unlink()
    status, said = cowherd.run_failing()
    assert status in (1, 2)
    assert str(path) in said + cowherd.log()


def test_a_preload_that_fails_fails_the_start(cowherd):
    path = cowherd.write("lib.rb", "module Lib\n  raise 'no lib'\nend\n")
    cowherd.configure(preload=[path])
    cowherd.app("run ->(env) { [200, {}, []] }")
    status, said = cowherd.run_failing()
    assert status == 1
    assert "%s:2" % path in said + cowherd.log()


def test_every_syntax_error_is_said_by_check(cowherd):
    first = cowherd.app(BROKEN, host="a.test")
    second = cowherd.app("run ->(env) { [200, {}, [] }\n", host="b.test")
    cowherd.app("run ->(env) { [200, {}, []] }\n", host="c.test")
    cowherd.write_configuration()
    result = cowherd.command("check")
    assert result.returncode != 0
    said = result.stdout + result.stderr
    assert "%s:3:" % first in said and "%s:1:" % second in said


# -- at reload


@pytest.mark.parametrize(
    "source, place",
    [(BROKEN, ":3:"), ("raise 'not today'\n", ":1"), ("1\n", "")],
    ids=["syntax-error", "raise", "nothing-callable"],
)
def test_a_reload_that_fails_leaves_the_old_generation_serving(cowherd, source, place):
    path = cowherd.app("run ->(env) { [200, {}, ['old']] }")
    cowherd.start()
    pids, mold = cowherd.worker_pids(), cowherd.pool()["mold"]["pid"]
    path.write_text(source)
    result = cowherd.reload()
    assert result.returncode == 1
    assert str(path) + place in result.stderr + result.stdout
    assert cowherd.request().text == "old"
    pool = cowherd.pool()
    assert {worker["pid"] for worker in pool["workers"]} == pids
    assert (pool["mold"]["pid"], pool["generation"]) == (mold, 1)
    cowherd.wait_log(path)

    path.write_text("run ->(env) { [200, {}, ['mended']] }")
    result = cowherd.reload()
    assert result.returncode == 0, result.stderr
    cowherd.wait_generation(cowherd.pool()["generation"])
    assert cowherd.request().text == "mended"


def test_a_reload_that_takes_longer_than_ready_timeout_leaves_the_old_generation_serving(cowherd):
    path = cowherd.app("run ->(env) { [200, {}, ['old']] }")
    cowherd.start()
    pids = cowherd.worker_pids()
    cowherd.configure(restart={"ready_timeout": "1s"})
    cowherd.write_configuration()
    path.write_text("sleep 60\nrun ->(env) { [200, {}, ['new']] }")
    result = cowherd.reload()
    assert result.returncode == 1 and result.stderr.strip()
    assert cowherd.request().text == "old"
    assert cowherd.worker_pids() == pids


def test_the_status_tells_why_a_generation_failed(cowherd):
    path = cowherd.app("run ->(env) { [200, {}, ['old']] }")
    cowherd.start()
    path.write_text("raise 'not today'\n")
    cowherd.reload()
    assert [g for g in cowherd.pool()["generations"] if g["error"] and "not today" in g["error"]]
