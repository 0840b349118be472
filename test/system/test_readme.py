"""What the README shows, done as it stands there: five minutes, a server of 1 GB, several machines."""

import os
import re
import shutil
import subprocess

import pytest

import fastcgi
from front_servers import NGINX, PATH, FrontServer, Nginx
from herd import AS_ROOT, BUILD, ENVIRONMENT, PATIENCE, Herd, free_port, wait_until
from test_documents import ROOT, code_blocks

README = ROOT / "README.md"
HAPROXY = shutil.which("haproxy", path=PATH)
HELLO = 'run ->(env) { [200, {}, ["%s"]] }\n'


def block(language, begin):
    """The one block of the README that holds this."""
    (found,) = [text for text in code_blocks(README, language) if begin in text]
    return found


def placed(text, directory):
    """With its folders below this one; whose the sockets and workers are only root can say."""
    for place in ("/srv/www", "/run/cowherd", "/var/log/cowherd"):
        (directory / place.strip("/")).mkdir(parents=True, exist_ok=True)
        text = text.replace(place, str(directory / place.strip("/")))
    if not AS_ROOT:
        text = re.sub(r"(?m)^ *(user|socket): (www-data|\{owner.*\})\n", "", text)
    return text


def test_five_minutes(cowherd):
    """Typed in a terminal, and the last line in another one."""
    lines = block("sh", "mkdir hello && cd hello").splitlines()
    run, request = [line.split(" #")[0].rstrip() for line in lines if line.startswith("cowherd ")]
    typed = "\n".join(line for line in lines if not line.startswith("cowherd "))
    if AS_ROOT:
        typed = typed.replace("{listen: web.sock,", "{listen: web.sock, user: root,")
    environment = {**ENVIRONMENT, "PATH": "%s:%s" % (BUILD, os.environ["PATH"])}

    def shell(text, directory):
        about = {"env": environment, "stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "timeout": 60}
        return subprocess.run(["sh", "-ec", text], cwd=directory, **about)

    said = shell(typed, cowherd.directory)
    assert said.returncode == 0, said.stderr
    hello = cowherd.directory / "hello"
    cowherd.settings["control"] = hello / "control.sock"
    words = run.split()
    words[-1] = str(hello / words[-1])
    cowherd.process = cowherd.spawn(*words[1:])
    cowherd.pools = {"hello": {"workers": 1}}
    cowherd.wait_ready()
    answer = shell(request, hello)
    assert answer.returncode == 0 and "Hello from /there" in answer.stdout, answer
    (hello / "config.ru").write_text(HELLO % "saved")
    wait_until(lambda: shell(request, hello).stdout.endswith("saved"), what=cowherd.stderr)


@pytest.mark.parametrize(
    "begin, served",
    [
        ("workers: 5", ["web diary", "web env"]),
        ("# what is visited all day", ["busy diary", "busy env", "seldom tools"]),
    ],
    ids=["a server", "a server of 1 GB"],
)
def test_configurations_serve(cowherd, begin, served):
    text = placed(block("yaml", begin), cowherd.directory)
    cowherd.write("srv/www/common/lib.rb", "")
    for pool, app in map(str.split, served):
        cowherd.write("srv/www/%s/config.ru" % app, HELLO % app)
        cowherd.write("srv/www/%s/index.rb" % app, "get_server_class.echo '%s'\n" % app)
    cowherd.settings["control"] = cowherd.directory / "run/cowherd/control.sock"
    cowherd.start(ready=False, configuration=text)
    cowherd.wait_until(cowherd.try_status, what=cowherd.stderr)
    for pool, app in map(str.split, served):
        socket = cowherd.directory / "run/cowherd" / (pool + ".sock")
        answer = fastcgi.request(socket, PATIENCE, uri="/", host=app + ".example.org")
        assert answer.status == 200 and answer.body.decode().strip() == app


@pytest.fixture
def machines(cowherd):
    """Two that say who they are, at 127.0.0.11 and .12 in place of the README's addresses; the port of both."""
    port = free_port()
    text = block("yaml", "allow: [10.0.0.0/24]").replace("10.0.0.0/24", "127.0.0.0/24")
    second = Herd()
    try:
        for herd, number in ((cowherd, 11), (second, 12)):
            herd.write("srv/www/diary/config.ru", HELLO % number)
            herd.settings["control"] = herd.directory / "run/cowherd/control.sock"
            own = placed(text, herd.directory).replace("0.0.0.0:9000", '"127.0.0.%d:%d"' % (number, port))
            herd.start(ready=False, configuration=own)
            herd.wait_until(herd.try_status, what=herd.stderr)
        yield cowherd, second, port
    finally:
        second.finish()


def there(text, port):
    return re.sub(r"\b10\.0\.0\.(1[12]):9000", r"127.0.0.\1:%d" % port, text)


def haproxy(herd, text, port):
    head = """global
    log stderr format raw daemon
    maxconn 100
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 60s
frontend in
    bind 127.0.0.1:%d
    default_backend web
""" % port
    return FrontServer(herd, "haproxy", head + text, lambda file: [HAPROXY, "-db", "-f", str(file)], port)


@pytest.mark.parametrize(
    "name, program", [pytest.param(name, program, id=name) for name, program in (("nginx", NGINX), ("haproxy", HAPROXY))]
)
def test_several_machines(machines, name, program):
    """Both answer; one that has left is noticed, and the other answers for it."""
    if program is None:
        pytest.skip(name + " is not installed")
    first, second, backends = machines
    port = free_port()
    if name == "nginx":
        text = there(block("nginx", "upstream web"), backends).replace("listen 80;", "listen 127.0.0.1:%d;" % port)
        front = Nginx(first, text.replace("include ", "include /etc/nginx/"), port)
    else:
        front = haproxy(first, there(block("", "fcgi-app web"), backends), port)
    try:
        answers = set()
        wait_until(lambda: answers.add(front.request("/").text) or answers >= {"11", "12"}, what=lambda: answers)
        assert second.stop() == 0
        # haproxy looks every 2 s; until then it says 503 to some.
        wait_until(lambda: {front.request("/").text for _ in range(8)} == {"11"})
    finally:
        front.stop()
