"""Files below an app's root that answer by themselves."""

import contextlib
import os
import re
import socket
import subprocess

import pytest

import fastcgi
from front_servers import NGINX, Front
from herd import plain_memory
from test_frozen import region

# A value that responds to call is called with the env.
SAY = '->(env) { [200, {}, ["%s", *%%w[SCRIPT_NAME PATH_INFO QUERY_STRING].map { |name| "|" + env[name] }]] }\n'
LEAK = '[200, {}, ["SECRET"]]\n'

TREE = {
    "index.rb": SAY % "index",
    "a.rb": SAY % "a",
    "dir/index.rb": SAY % "dir",
    "dir/b.rb": SAY % "b",
    "dir/deep/er/c.rb": SAY % "c",
    "empty/readme.txt": "SECRET",
    "sp ace/\u00e4.rb": SAY % "utf8",
    "array.rb": '[201, { "content-type" => "text/x" }, ["ar", "ray"]]\n',
    "nothing.rb": "nil\n",
    "echo.rb": 'Cowherd::Server.rputs "echoed"\n',
    "return.rb": 'return [200, {}, ["early"]] if true\nraise "late"\n',
    "raise.rb": "def deep = raise('on purpose')\n\ndeep\n",
    "locals.rb": "count ||= 0\ncount += 1\n$total = $total.to_i + 1\n[200, {}, [\"#{count}\"]]\n",
    "relative.rb": "require_relative '.lib/part'\n[200, {}, [Part.text]]\n",
    "where.rb": "[200, {}, [Dir.getwd, \" \", __FILE__, \" \", __dir__]]\n",
    "filename.rb": '->(env) { [200, {}, [env["SCRIPT_FILENAME"]]] }\n',
    "method.rb": '->(env) { [200, {}, [env["REQUEST_METHOD"], env["rack.input"].read.to_s]] }\n',
    "closing.rb": "raise 'not called'\n",
    ".lib/part.rb": "module Part; def self.text = 'part'; end\n",
    ".hidden.rb": LEAK,
    ".git/a.rb": LEAK,
    "notes.txt": "SECRET",
    "secret": "SECRET",
    "upper.RB": LEAK,
    "config.yml": "SECRET",
    "hooks/hook.rb": "nil # SECRET\n",
}


def plant(herd, host, tree=TREE, pool="web", directory=None, **settings):
    """An app with these files below its root: the root. `cache` and the like go to `scripts`."""
    about = {key: settings.pop(key) for key in ("index", "cache", "follow_symlinks") if key in settings}
    root = herd.directory / (directory or "scripts/%s/root" % host)
    for name, text in tree.items():
        herd.write(root / name, text)
    herd.configure(pool)
    app = {"host": host, "root": root, "scripts": about or {"cache": True}, **settings}
    herd.pools[pool]["apps"].append(app)
    return root


@pytest.fixture(scope="module")
def herd(module_cowherd):
    herd = module_cowherd
    herd.configure(show_errors=True, limits={"header": "64KiB"})
    for cache in (True, False):
        host = "cached.test" if cache else "fresh.test"
        root = plant(herd, host, cache=cache, hooks=[{"event": "worker_stop", "file": "hooks/hook.rb"}])
        herd.write(root.parent / "outside.rb", LEAK)
        os.mkfifo(root / "fifo.rb")
        (root / "directory.rb").mkdir()
        herd.write(root / "directory.rb/inner.rb", LEAK)
        herd.write(root / "directory.rb/index.rb", LEAK)
        os.symlink("/dev/zero", root / "device.rb")
        server = socket.socket(socket.AF_UNIX)
        with contextlib.closing(server):
            server.bind(str(root / "socket.rb"))
        plant(herd, host, {"index.rb": SAY % "inner", "x.rb": SAY % "x"}, path="/pre/fix", directory=host, cache=cache)
    return herd.start()


@pytest.fixture(params=["cached.test", "fresh.test"])
def host(request):
    return request.param


@pytest.mark.parametrize(
    "uri, answer",
    [
        ("/", "index|/index.rb||"),
        ("/?q=1", "index|/index.rb||q=1"),
        ("/index.rb", "index|/index.rb||"),
        ("/a.rb", "a|/a.rb||"),
        ("/a.rb?b=/../c", "a|/a.rb||b=/../c"),
        ("/%61.r%62", "a|/a.rb||"),
        ("/a.rb/", "a|/a.rb|/|"),
        ("/a.rb/x/y%20z?q", "a|/a.rb|/x/y z|q"),
        ("/a.rb//x/", "a|/a.rb|//x/|"),
        ("/a.rb/dir/b.rb", "a|/a.rb|/dir/b.rb|"),
        ("/dir/", "dir|/dir/index.rb||"),
        ("/dir/b.rb/x", "b|/dir/b.rb|/x|"),
        ("/dir%2Fb.rb", "b|/dir/b.rb||"),
        ("/dir/deep/er/c.rb", "c|/dir/deep/er/c.rb||"),
        ("/sp%20ace/%C3%A4.rb", "utf8|/sp ace/\u00e4.rb||"),
        ("http://any.test/a.rb", "a|/a.rb||"),
        ("/pre/fix/", "inner|/pre/fix/index.rb||"),
        ("/pre/fix/x.rb/y?z", "x|/pre/fix/x.rb|/y|z"),
    ],
)
def test_a_path_means_a_script(herd, host, uri, answer):
    response = herd.request(uri, host=host)
    assert (response.status, response.text) == (200, answer)


@pytest.mark.parametrize(
    "uri, body, status",
    [
        ("/array.rb", "array", 201),
        ("/nothing.rb", "", 200),
        ("/echo.rb", "echoed", 200),
        ("/return.rb", "early", 200),
        ("/relative.rb", "part", 200),
    ],
)
def test_what_a_script_answers(herd, host, uri, body, status):
    for _ in range(3):
        response = herd.request(uri, host=host)
        assert (response.status, response.text, response.complete) == (status, body, True)


def test_local_variables_are_new_for_each_request(herd, host):
    assert {herd.request("/locals.rb", host=host).text for _ in range(6)} == {"1"}


def test_where_a_script_runs(herd, host):
    root = next(app["root"] for app in herd.pools["web"]["apps"] if app["host"] == host)
    assert herd.request("/where.rb", host=host).text == "%s %s/where.rb %s" % (root, root, root)
    assert herd.request("/filename.rb/x", host=host).text == "%s/filename.rb" % root


HOSTILE = [
    "/../outside.rb",
    "/..%2foutside.rb",
    "/%2e%2e/outside.rb",
    "/%2e%2e%2foutside.rb",
    "/.%2e/outside.rb",
    "/dir/../../outside.rb",
    "/dir/../a.rb",
    "/dir/./b.rb",
    "/./a.rb",
    "/%2e/a.rb",
    "/..\\outside.rb",
    "/..%5coutside.rb",
    "/dir%5cb.rb",
    "/dir\\b.rb",
    "/%5c..%5coutside.rb",
    "//a.rb",
    "/%2fa.rb",
    "/dir//b.rb",
    "/dir%2f%2fb.rb",
    "//",
    "///",
    "/dir//",
    "/....//....//outside.rb",
    "/..;/outside.rb",
    "/%252e%252e/outside.rb",
    "/..%c0%afoutside.rb",
    "/%c0%ae%c0%ae/outside.rb",
    "/%ef%bc%8e%ef%bc%8e/outside.rb",
    "/a.rb/../../outside.rb",
    "/a.rb/..",
    "/a.rb/.",
    "/a.rb/./x",
    "/a.rb/%2e%2e/b",
    "/a.rb%2f..%2fnotes.txt",
    "/a.rb/x/../../.hidden.rb",
    "/.hidden.rb",
    "/%2ehidden.rb",
    "/.git/a.rb",
    "/.git/",
    "/.git",
    "/.lib/part.rb",
    "/.rb",
    "/dir/.rb",
    "/notes.txt",
    "/notes.txt/",
    "/secret",
    "/secret/a.rb",
    "/config.yml",
    "/upper.RB",
    "/A.rb",
    "/a.rb%20",
    "/a.rb.",
    "/a.rb::$DATA",
    "/a.rb~",
    "/a.rb.bak",
    "/a.rb%0a",
    "/a%0d%0aSet-Cookie:x.rb",
    "/a.rb;x",
    "/hooks/hook.rb",
    "/hooks/",
    "/hooks",
    "/empty/",
    "/empty",
    "/none.rb",
    "/none/none.rb",
    "/a.txt/a.rb",
    "/notes.txt/a.rb",
    "/fifo.rb",
    "/fifo.rb/x",
    "/socket.rb",
    "/directory.rb",
    "/directory.rb/",
    "/directory.rb/inner.rb",
    "/device.rb",
    "/etc/passwd",
    "/proc/self/environ",
    "/" + "a" * 256 + ".rb",
    "/" + "a/" * 2100 + "a.rb",
    "/" + "a/" * 2100,
    "/" + "a" * 5000,
    "/pre/fix/../../a.rb",
    "/pre/fix/../a.rb",
    "/pre/fix//x.rb",
]


@pytest.mark.parametrize("uri", HOSTILE, ids=lambda uri: uri if len(uri) < 60 else "%.20s...%d" % (uri, len(uri)))
def test_a_path_that_means_nothing(herd, host, uri):
    response = herd.request(uri, host=host)
    # A link to a device is one that isn't followed where its owner is another.
    assert response.status in ((403, 404) if uri == "/device.rb" else (404,)), response
    assert "SECRET" not in response.text and response.header("set-cookie") is None
    assert response.text == "%d %s\n" % (response.status, response.reason)


@pytest.mark.parametrize("uri", ["/a.rb%00", "/a.rb%00.txt", "/%00/../outside.rb", "/a%", "/%zz.rb", "a.rb", "*", ""])
def test_a_path_that_is_malformed(herd, host, uri):
    response = herd.request(uri, host=host, params={"PATH_INFO": "", "SCRIPT_NAME": ""})
    assert response.status == 400 and "SECRET" not in response.text


@pytest.mark.parametrize(
    "uri, location",
    [
        ("/dir", "/dir/"),
        ("/dir?q=1&x=%20", "/dir/?q=1&x=%20"),
        ("/%64ir", "/dir/"),
        ("/pre/fix", "/pre/fix/"),
        ("/pre/fix?y", "/pre/fix/?y"),
        ("http://any.test/dir?z", "/dir/?z"),
    ],
)
def test_a_directory_without_its_slash(herd, host, uri, location):
    for method in ("GET", "HEAD", "POST"):
        response = herd.request(uri, host=host, method=method)
        assert (response.status, response.header("location")) == (301, location)
        assert response.complete and (response.text == "") == (method == "HEAD")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "UNHEARD-OF"])
def test_methods_are_the_scripts_to_know(herd, host, method):
    body = b"text" if method in ("POST", "PUT") else None
    assert herd.request("/method.rb", host=host, method=method, body=body).text == method + ("text" if body else "")


@pytest.mark.parametrize("method", ["TRACE", "CONNECT"])
def test_methods_that_no_script_gets(herd, host, method):
    response = herd.request("/method.rb", host=host, method=method)
    assert response.status == 405
    assert {"GET", "HEAD", "POST"} <= set(response.header("allow").split(", "))
    assert herd.request("/none.rb", host=host, method=method).status == 404


def test_head_has_no_body(herd, host):
    response = herd.request("/array.rb", host=host, method="HEAD")
    assert (response.status, response.body, response.header("content-type")) == (201, b"", "text/x")
    assert response.complete


def test_an_exception_is_a_500_with_its_place(herd, host):
    response = herd.request("/raise.rb", host=host)
    assert response.status == 500
    assert re.search(r"on purpose \(RuntimeError\)\n  \S+/raise\.rb:1:in deep\n  \S+/raise\.rb:3", response.text)
    assert herd.wait_log("GET /raise.rb: on purpose (RuntimeError)")
    assert herd.request("/a.rb", host=host).status == 200


def test_scripts_through_nginx(herd):
    if NGINX is None:
        pytest.skip("nginx is not installed")
    front = Front(herd)
    try:
        for host in ("cached.test", "fresh.test"):
            assert front.request("/a.rb/x%20y?q=1", host=host).content == b"a|/a.rb|/x y|q=1"
            assert front.request("/dir/", host=host).content == b"dir|/dir/index.rb||"
            assert front.request("/none.rb", host=host).status == 404
            # nginx resolves the dots for itself and hands the path on as it came.
            assert front.request("/a.rb/../.hidden.rb", host=host).status == 404
            moved = front.request("/dir?q", host=host)
            assert moved.status == 301 and re.sub(r"^http://[^/]*", "", moved.headers["Location"]) == "/dir/?q"
            assert front.request("/array.rb", host=host, method="HEAD").content == b""
    finally:
        front.stop()


def link(target, path, owner=None):
    os.symlink(target, path)
    if owner is not None and os.geteuid() == 0:
        os.lchown(path, owner, owner)


def test_symbolic_links(cowherd):
    policies = ("never", "owner", "always")
    for policy in policies:
        for cache in (True, False):
            host = "%s%d.test" % (policy, cache)
            root = plant(cowherd, host, {"real.rb": SAY % "real"}, cache=cache, follow_symlinks=policy)
            cowherd.write(root.parent / "beside/out.rb", SAY % "out")
            cowherd.write(root.parent / "beside/index.rb", SAY % "index")
            link("real.rb", root / "same.rb")
            link("../beside", root / "away")
            link(root.parent / "beside/out.rb", root / "absolute.rb")
            link("real.rb", root / "foreign.rb", owner=12345)
            link("gone.rb", root / "dangling.rb")
            link(".", root / "loop")
            link("self.rb", root / "self.rb")
    cowherd.start()
    owned = {"never": 403, "owner": 200, "always": 200}
    foreign = {"never": 403, "owner": 403 if os.geteuid() == 0 else 200, "always": 200}
    for policy in policies:
        # With cache the tree was walked: what may not be followed isn't there.
        for cache, refused in ((True, 404), (False, 403)):
            expected = {
                "/real.rb": 200,
                "/same.rb": owned[policy],
                "/away/out.rb": owned[policy],
                "/away/": owned[policy],
                "/absolute.rb": owned[policy],
                "/foreign.rb": foreign[policy],
                "/dangling.rb": 403 if policy == "never" else 404,
                "/self.rb": 403,
            }
            for uri, status in expected.items():
                got = cowherd.request(uri, host="%s%d.test" % (policy, cache)).status
                assert got == (refused if status == 403 else status), (policy, cache, uri)


def test_a_file_that_may_not_be_read(cowherd):
    if os.geteuid() == 0:
        cowherd.configure(user="nobody")
    for cache in (True, False):
        root = plant(cowherd, "cache%d.test" % cache, {"a.rb": SAY % "a", "x.rb": LEAK, "d/b.rb": LEAK}, cache=cache)
        (root / "x.rb").chmod(0)
    cowherd.start()
    for host in ("cache1.test", "cache0.test"):
        assert cowherd.request("/a.rb", host=host).status == 200
        response = cowherd.request("/x.rb", host=host)
        assert (response.status, response.text) == (403, "403 Forbidden\n")
    # It counts at once, for code that is there as well.
    (root / "a.rb").chmod(0)
    assert cowherd.request("/a.rb", host="cache0.test").status == 403
    (root / "a.rb").chmod(0o644)
    (root / "x.rb").chmod(0o644)
    assert cowherd.request("/a.rb", host="cache0.test").status == 200
    assert cowherd.request("/x.rb", host="cache0.test").text == "SECRET"


def test_with_cache_a_tree_is_what_it_was(cowherd):
    root = plant(cowherd, "*", {"a.rb": '[200, {}, ["one"]]', "gone.rb": SAY % "gone"})
    cowherd.start()
    cowherd.write(root / "a.rb", '[200, {}, ["two"]]')
    cowherd.write(root / "new.rb", SAY % "new")
    (root / "gone.rb").unlink()
    for _ in range(4):
        assert cowherd.request("/a.rb").text == "one"
        assert cowherd.request("/new.rb").status == 404
        assert cowherd.request("/gone.rb").status == 200
    assert cowherd.reload().returncode == 0
    cowherd.wait_generation(2)
    assert cowherd.request("/a.rb").text == "two"
    assert cowherd.request("/new.rb").status == 200
    assert cowherd.request("/gone.rb").status == 404


def test_with_cache_a_syntax_error_fails_the_load(cowherd):
    root = plant(cowherd, "*", {"a.rb": SAY % "a", "dir/b.rb": SAY % "b"})
    cowherd.start()
    cowherd.write(root / "dir/b.rb", "x = 1\ny = )\n")
    result = cowherd.reload()
    assert result.returncode == 1 and "%s/dir/b.rb:2:5: syntax error" % root in result.stderr
    assert cowherd.request("/dir/b.rb").text == "b|/dir/b.rb||"


def test_check_compiles_every_script(cowherd):
    root = plant(cowherd, "a.test", {"a.rb": SAY % "a", ".ignored.rb": ")", "b.txt": ")", "d.rb/e.rb": ")"})
    other = plant(cowherd, "b.test", {"deep/er/b.rb": "raise 'never run'"}, cache=False)
    cowherd.write_configuration()
    assert cowherd.command("check").returncode == 0
    cowherd.write(root / "dir/bad.rb", "x = (\n")
    cowherd.write(other / "deep/bad.rb", "\n  end\n")
    result = cowherd.command("check")
    assert result.returncode != 0
    for place in (r"%s/dir/bad\.rb:2:\d+: " % root, r"%s/deep/bad\.rb:2:\d+: " % other):
        assert re.search(place, result.stdout + result.stderr), result


@pytest.fixture
def fresh(cowherd):
    """An app without cache and one worker, so that what it compiled last is known."""
    cowherd.configure(workers=1, show_errors=True)
    cowherd.root = plant(cowherd, "*", {"a.rb": '[200, {}, ["0"]]'}, cache=False)
    return cowherd.start()


def test_an_edit_shows_on_the_next_request(fresh):
    for number in range(1, 60):
        fresh.write(fresh.root / "a.rb", '[200, {}, ["%d"]]' % (number % 10))
        assert fresh.request("/a.rb").text == str(number % 10)
    for number in range(1, 20):  # as an editor that writes a new file does
        fresh.write(fresh.root / "a.rb.new", '[200, {}, ["%d"]]' % (number % 10))
        (fresh.root / "a.rb.new").rename(fresh.root / "a.rb")
        assert fresh.request("/a.rb").text == str(number % 10)


def test_a_syntax_error_passes_with_the_next_good_save(fresh):
    for number in range(3):
        fresh.write(fresh.root / "a.rb", "[200,\n  {}, [)]")
        for _ in range(2):
            response = fresh.request("/a.rb")
            assert response.status == 500 and "%s/a.rb:2:8: syntax error" % fresh.root in response.text
        fresh.write(fresh.root / "a.rb", '[200, {}, ["good%d"]]' % number)
        assert fresh.request("/a.rb").text == "good%d" % number
    assert fresh.wait_log("a.rb:2:8: syntax error")


def test_the_page_says_nothing_unless_asked(cowherd):
    plant(cowherd, "*", {"a.rb": "x = )"}, cache=False)
    cowherd.start()
    assert cowherd.request("/a.rb").text == "500 Internal Server Error\n"
    assert cowherd.wait_log("a.rb:1:5: syntax error")


def test_files_come_and_go(fresh):
    for _ in range(3):
        (fresh.root / "a.rb").unlink()
        assert fresh.request("/a.rb").status == 404
        os.mkfifo(fresh.root / "a.rb")
        assert fresh.request("/a.rb").status == 404
        (fresh.root / "a.rb").unlink()
        fresh.write(fresh.root / "a.rb", '[200, {}, ["back"]]')
        assert fresh.request("/a.rb").text == "back"
        fresh.write(fresh.root / "d/e/index.rb", SAY % "new")
        assert fresh.request("/d/e/").status == 200
        subprocess.run(["rm", "-r", str(fresh.root / "d")], check=True)
        assert fresh.request("/d/e/").status == 404


def test_more_scripts_than_are_kept(fresh):
    for number in range(1100):
        fresh.write(fresh.root / ("s%d.rb" % number), '[200, {}, ["%d"]]' % number)
    with fresh.client() as client:
        for _ in range(2):
            for number in range(1100):
                assert client.request(uri="/s%d.rb" % number).text == str(number)


@plain_memory
def test_compiled_scripts_stay_shared(cowherd):
    padding = "\n".join("def unused_%d(a, b) = [a, b].map { |x| \"#{x} and some text\" }" % i for i in range(60))
    tree = {"s%d.rb" % n: "%s\n[200, {}, [\"%d\"]]\n" % (padding.replace("unused", "u%d" % n), n) for n in range(100)}
    cowherd.configure(workers=1)
    plant(cowherd, "*", {**tree, "once.rb": "[200, {}, ['']]"})
    cowherd.start()
    [worker] = cowherd.worker_pids()
    with cowherd.client() as client:
        client.request(uri="/once.rb")
        size, before = region(worker)
        for number in range(100):
            # Not defining the methods: only the code is to be looked at.
            assert client.request(uri="/s%d.rb" % number).text == str(number)
    # What running them defines is the worker's own; their code, some megabytes, is not.
    assert size > 4 << 20 and region(worker)[1] - before < size / 4
