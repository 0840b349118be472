"""A cowherd with an app for each case, and a front end before it."""

import contextlib
import itertools
from pathlib import Path

from herd import Herd, free_port

HERE = Path(__file__).resolve().parent
WORKERS = 2

NAMED = """
run ->(env) {
  said = ["%s"] + %%w[REQUEST_METHOD SCRIPT_NAME PATH_INFO QUERY_STRING].map { |name| env[name] }
  [200, { "content-type" => "text/plain" }, [said.join("|")]]
}
"""

DOOR = """
Server = get_server_class
case Server::Request.new.headers_in["X-Who"]
when "friend" then nil
when nil
  Server::Request.new.headers_out["WWW-Authenticate"] = 'Basic realm="door"'
  Server.return Server::HTTP_UNAUTHORIZED
else Server.return Server::HTTP_FORBIDDEN
end
"""


def make_herd(transport):
    herd = Herd()
    herd.deaths_expected = True
    for pool, settings in (("web", {"workers": WORKERS}), ("queue", {"workers": 1})):
        herd.configure(pool, timeouts={"body": "10s"}, socket={"mode": "0666", "backlog": 1 if pool == "queue" else 1024}, **settings)
        if transport == "tcp":
            herd.configure(pool, listen="127.0.0.1:%d" % free_port())
    source = (HERE / "app.ru").read_text()
    herd.write("apps/a/door.rb", DOOR)
    herd.app(source, host="a.test", name="a", hooks=[{"event": "access", "file": "door.rb", "path": "/guarded"}])
    herd.app(NAMED % "inner", host="a.test", path="/in", name="inner")
    for name, settings in (
        ("accel", {"from": "private", "header": "X-Accel-Redirect"}),
        ("xsendfile", {"from": "private", "header": "X-Sendfile"}),
    ):
        file = herd.app(source, host="a.test", path="/" + name, name=name, sendfile=settings)
        herd.write(file.parent / "private/file.txt", "a private file")
    herd.app(NAMED % "wild", host="*.wild.test", name="wild")
    herd.app(NAMED % "any", name="any")
    herd.app(source, host="queue.test", pool="queue", name="queue")
    herd.write("apps/scripts/index.rb", '->(env) { [200, {}, ["index #{env["QUERY_STRING"]}"]] }\n')
    more = herd.write("apps/scripts/more.rb", '->(env) { [200, {}, ["more #{env["PATH_INFO"]} #{env["QUERY_STRING"]}"]] }\n')
    herd.write("apps/scripts/folder/index.rb", "nil\n")
    herd.pools["web"]["apps"].append(
        {"host": "a.test", "path": "/scripts", "root": more.parent, "scripts": {"cache": True}}
    )
    herd.write("guarded/file.txt", "guarded")
    herd.write("apps/a/public/style.css", "root's css")
    herd.write("apps/inner/public/deep/style.css", "inner's css")
    return herd.start()


class Site:
    """A front end that runs before a herd."""

    workers = WORKERS
    _marks = itertools.count()

    def __init__(self, herd, transport, front_end):
        self.herd, self.transport = herd, transport
        self.front = front_end(herd)

    def mark(self):
        return "%s-%s-%d" % (self.front.name, self.transport, next(self._marks))

    def wait_idle(self):
        self.herd.wait_until(
            lambda: all(worker["state"] == "idle" for worker in self.herd.workers()), what=lambda: "idle workers"
        )

    @contextlib.contextmanager
    def variant(self, edit):
        """The same front end with other settings."""
        front = type(self.front)(self.herd, edit)
        try:
            yield front
        finally:
            front.stop()
