"""What `cowherd front NAME` prints: taken by nginx -t, and static files served by nginx itself. (The other servers are
started with it by test/conformance.)"""

import http.client
import os
import shutil
import socket
import subprocess

import pytest

from herd import BUILD, free_port, wait_until

NGINX = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin:/sbin")
needs_nginx = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

MAIN = """
daemon off;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log;
{user}
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {directory}/t1; fastcgi_temp_path {directory}/t2; proxy_temp_path {directory}/t3;
    uwsgi_temp_path {directory}/t4; scgi_temp_path {directory}/t5;
    include {directory}/snippet.conf;
}}
"""


@pytest.fixture
def front(tmp_path):
    def make(configuration, *arguments):
        file = tmp_path / "cowherd.yml"
        file.write_text(configuration.replace("DIRECTORY", str(tmp_path)))
        line = [str(BUILD / "cowherd"), "front", *(arguments or ["nginx"]), "-c", str(file)]
        return subprocess.run(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=20)

    return make


def nginx_command(directory, snippet):
    (directory / "snippet.conf").write_text(snippet)
    user = "user root;" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(MAIN.format(directory=directory, user=user))
    return [NGINX, "-p", str(directory), "-c", str(directory / "nginx.conf"), "-e", str(directory / "nginx.log")]


def assert_taken(directory, snippet):
    # Port 80 may be another's, or need root: the test binds nothing that is in use.
    snippet = snippet.replace("listen 80", "listen 127.0.0.1:%d" % free_port())
    checked = subprocess.run(nginx_command(directory, snippet) + ["-t"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)
    assert checked.returncode == 0 and "warn" not in checked.stdout, checked.stdout + snippet


EVERYTHING = """
pools:
  web:
    listen: [systemd:web, "127.0.0.1:9000", "DIRECTORY/web.sock"]
    limits: {body: 64MiB}
    timeouts: {request: 10s, hard: 12500ms}
    apps:
      - {host: a.test, root: DIRECTORY/a, rack: config.ru}
      - {host: a.test, path: /in, root: DIRECTORY/b, rack: config.ru}
      - {host: a.test, path: /in/ner, root: DIRECTORY/c, rack: config.ru}
      - {host: "*.wild.test", root: "DIRECTORY/with space \\"and\\" quotes;{}", rack: config.ru}
  other:
    listen: "[::]:9001"
    socket: {allow: ["::1"]}
    limits: {body: 1000}
    timeouts: {request: 0, hard: 0}
    apps:
      - {host: a.test, path: /other, root: DIRECTORY/d, rack: config.ru}
      - {host: "*", path: /only, root: DIRECTORY/e, rack: config.ru}
"""


@needs_nginx
def test_nginx_takes_it(front, tmp_path):
    result = front(EVERYTHING)
    assert (result.returncode, result.stderr) == (0, "")
    assert_taken(tmp_path, result.stdout)
    text = result.stdout
    assert text.count("server {") == 3
    assert 'fastcgi_pass "unix:%s/web.sock";' % tmp_path in text and "fastcgi_pass [::1]:9001;" in text
    assert "127.0.0.1:9000" not in text, "a socket of the file system comes first"
    assert text.count("client_max_body_size 64m;") == 2 and text.count("client_max_body_size 1000;") == 1
    assert "fastcgi_read_timeout 18s;" in text, "longer than the hard time-out"
    for line in ("fastcgi_request_buffering on;", "fastcgi_keep_conn off;", 'fastcgi_param HTTP_PROXY "";'):
        assert text.count(line) == 3
    assert text.index('"/in/ner/"') < text.index('"/in/"')


HANDED_OVER = """
pools:
  web:
    listen: DIRECTORY/web.sock
    apps:
      - {host: a.test, root: DIRECTORY/a, rack: config.ru, sendfile: {from: files}}
      - {host: a.test, path: /b, root: DIRECTORY/a, rack: b.ru, sendfile: {from: files}}
      - {host: a.test, path: /c, root: "DIRECTORY/c d", rack: config.ru, sendfile: {to: /sent/c}}
      - {host: a.test, path: /e, root: DIRECTORY/e, rack: config.ru, sendfile: {header: X-Sendfile}}
      - {host: f.test, root: DIRECTORY/f, rack: config.ru, sendfile: {}}
"""


@needs_nginx
def test_files_that_are_handed_over_have_internal_locations(front, tmp_path):
    result = front(HANDED_OVER)
    assert (result.returncode, result.stderr) == (0, "")
    assert_taken(tmp_path, result.stdout)
    text = result.stdout
    assert text.count("internal;") == 3
    for location, alias in (("/sendfile/", "a/files/"), ("/sent/c/", "c d/"), ("/sendfile/", "f/")):
        block = 'location ^~ "%s" {\n        internal;\n        alias "%s/%s";\n    }' % (location, tmp_path, alias)
        assert text.count(block) == 1, block


def test_one_location_for_two_directories_is_status_1(front):
    result = front(HANDED_OVER.replace("rack: b.ru, sendfile: {from: files}", "rack: b.ru, sendfile: {}"))
    assert result.returncode == 1 and result.stdout == ""
    assert "a.test/b and a.test/ have the same sendfile.to for two directories" in result.stderr


@needs_nginx
def test_one_pool_alone(front, tmp_path):
    result = front(EVERYTHING, "nginx", "other")
    assert result.returncode == 0
    assert_taken(tmp_path, result.stdout)
    assert result.stdout.count("server {") == 2 and "web.sock" not in result.stdout


@pytest.mark.parametrize(
    "arguments, said",
    [(["iis"], "not known: iis; known: nginx lighttpd apache haproxy caddy h2o"), (["nginx", "nobody"], 'there is no pool "nobody"')],
)
def test_what_is_not_known_is_status_2(front, arguments, said):
    result = front(EVERYTHING, *arguments)
    assert result.returncode == 2 and result.stdout == "" and said in result.stderr


@pytest.mark.parametrize(
    "listen, root, said",
    [
        ("systemd:web", "DIRECTORY/a", "none of its listeners has an address"),
        ("DIRECTORY/s", "DIRECTORY/$host", "nginx can't express"),
        ("DIRECTORY/$s", "DIRECTORY/a", "nginx can't express"),
    ],
)
def test_what_can_not_be_expressed_is_status_1(front, listen, root, said):
    result = front('pools: {web: {listen: "%s", apps: [{root: "%s", rack: config.ru}]}}' % (listen, root))
    assert result.returncode == 1, result.stderr
    assert result.stdout == "" and said in result.stderr


OTHERS = ["apache", "caddy", "h2o", "haproxy", "lighttpd"]


@pytest.mark.parametrize("server", OTHERS)
def test_the_others_name_every_host_path_target_and_limit(front, tmp_path, server):
    result = front(EVERYTHING.replace(";{}", ";"), server)
    assert (result.returncode, result.stderr) == (0, "")
    text = result.stdout
    assert text.startswith('# Made by "cowherd front %s"' % server)
    assert "%s/web.sock" % tmp_path in text and "127.0.0.1:9000" not in text
    assert "9001" in text and "::1" in text
    assert ("18s" if server in ("caddy", "haproxy") else "86400000" if server == "h2o" else "18") in text
    for path in ("/other", "/only", "/in/ner"):
        assert path in text
    assert text.index("/in/ner") < text.index("/in", text.index("/in/ner") + 8)
    for name in ("a.test", "wild.test"):
        assert name in text or name.replace(".", "\\.") in text
    if server not in ("h2o", "haproxy"):  # they serve no files
        assert "%s/a/public" % tmp_path in text and "%s/b/public" % tmp_path in text


@pytest.mark.parametrize("server", OTHERS)
def test_the_others_have_the_hosts_that_are_more_exact_first(front, server):
    pools = "".join(
        "{host: '%s', path: /p%d, root: /r, rack: a.ru}, " % host
        for host in (("*", 1), ("*.b.test", 2), ("*.a.b.test", 3), ("z.test", 4))
    )
    text = front("pools: {one: {listen: /s, apps: [%s]}, two: {listen: /t, apps: [{path: /x, root: /r, rack: a.ru}]}}" % pools, server).stdout
    assert sorted(("/p4", "/p3", "/p2", "/p1"), key=text.index) == ["/p4", "/p3", "/p2", "/p1"]


@pytest.mark.parametrize("server", OTHERS)
def test_a_listener_that_has_no_address_is_status_1_for_the_others(front, server):
    result = front("pools: {web: {listen: systemd:web, apps: [{root: DIRECTORY/a, rack: config.ru}]}}", server)
    assert (result.returncode, result.stdout) == (1, "")
    assert "none of its listeners has an address" in result.stderr


@pytest.mark.parametrize("server, listen", [("apache", "DIRECTORY/a$b"), ("haproxy", "DIRECTORY/it's"), ("caddy", "DIRECTORY/{s}")])
def test_what_the_others_can_not_express_is_status_1(front, server, listen):
    result = front('pools: {web: {listen: "%s", apps: [{root: DIRECTORY/a, rack: config.ru}]}}' % listen, server)
    assert (result.returncode, result.stdout) == (1, ""), result.stdout
    assert "can't express" in result.stderr


@pytest.mark.parametrize("server, directive", [("apache", "XSendFilePath"), ("lighttpd", "x-sendfile-docroot")])
def test_files_by_x_sendfile_may_be_sent_from_the_apps_directories(front, tmp_path, server, directive):
    text = front(HANDED_OVER, server).stdout
    assert text.count(directive) == 1
    assert '"%s/e' % tmp_path in text[text.index(directive) :].split("\n")[0]


SAY = """
run ->(env) {
  [200, { "content-type" => "text/plain" },
   ["%s #{env["SCRIPT_NAME"]} #{env["PATH_INFO"]} #{env["HTTP_AUTHORIZATION"].inspect} #{env["HTTP_PROXY"].inspect} #{env["HTTP_HOST"]}"]]
}
"""


@needs_nginx
def test_public_files_come_from_nginx_and_the_rest_from_the_app(cowherd):
    directory = cowherd.directory
    cowherd.app(SAY % "root", host="a.test", name="root")
    cowherd.app(SAY % "inner", host="a.test", path="/in", name="inner")
    cowherd.write("apps/root/public/style.css", "root's css")
    cowherd.write("apps/inner/public/deep/style.css", "inner's css")
    cowherd.start()
    port = free_port()
    snippet = cowherd.command("front", "nginx").stdout.replace("listen 80", "listen 127.0.0.1:%d" % port)
    nginx = subprocess.Popen(nginx_command(directory, snippet), stdin=subprocess.DEVNULL, start_new_session=True)
    try:

        def up():
            assert nginx.poll() is None, (directory / "nginx.log").read_text()
            with socket.socket() as sock:
                return sock.connect_ex(("127.0.0.1", port)) == 0

        wait_until(up)

        def get(uri, **headers):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            connection.request("GET", uri, headers={"Host": "a.test:81", **headers})
            response = connection.getresponse()
            text = response.read().decode()
            connection.close()
            assert response.status == 200, text
            return text

        assert get("/style.css") == "root's css"
        assert get("/in/deep/style.css") == "inner's css"
        served = cowherd.ledger()["accepted"]
        assert served == 0
        assert get("/") == "root  / nil nil a.test:81"
        assert get("/deep/style.css").startswith("root  /deep/style.css")
        assert get("/in/style.css").startswith("inner /in /style.css")
        assert get("/in/deep/").startswith("inner /in /deep/")
        assert get("/in").startswith("inner /in ")
        assert get("/innermost").startswith("root  /innermost")
        assert get("/x", Authorization="Basic eDp5", Proxy="http://evil") == 'root  /x "Basic eDp5" nil a.test:81'
        for uri in ("/config.ru", "/in/config.ru", "/in/..%2fconfig.ru", "/in../config.ru"):
            assert "nil a.test:81" in get(uri), "only what is in the public folder is served"
    finally:
        nginx.terminate()
        nginx.wait(20)
