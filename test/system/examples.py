"""The apps of packaging/examples in a directory of a Herd, behind nginx, and somebody who visits them."""

import re
import shutil
import sqlite3
import urllib.parse

from front_servers import Front
from herd import REPOSITORY, wait_until

EXAMPLES = REPOSITORY / "packaging/examples"


class Examples:
    """Copies the apps, starts `herd` with them as cowherd.yml has them, and nginx as `cowherd front nginx` says."""

    def __init__(self, herd, *names, workers=4):
        self.herd = herd
        self.names = names
        shutil.copytree(EXAMPLES / "lib", herd.directory / "lib")
        herd.configure(workers=workers, preload=[herd.directory / "lib/web.rb"])
        for name in names:
            shutil.copytree(EXAMPLES / name, self.root(name), ignore=shutil.ignore_patterns("data"))
            hooks = [{"event": event, "file": "hooks/%s.rb" % event} for event in ("worker_start", "worker_stop")]
            herd.pools["web"]["apps"].append(
                {
                    "host": name + ".localhost",
                    "root": self.root(name),
                    "rack": "config.ru",
                    "interpreter": "shared",
                    "hooks": hooks,
                }
            )

    def __enter__(self):
        self.herd.start()
        self.front = Front(self.herd)
        return self

    def __exit__(self, *unused):
        self.front.stop()

    def root(self, name):
        return self.herd.directory / name

    def visitor(self, name, **headers):
        return Visitor(self.front, name + ".localhost", headers)

    def sql(self, name, statement, *values):
        """The rows, from the database itself."""
        connection = sqlite3.connect(self.root(name) / ("data/%s.db" % name), timeout=20)
        try:
            with connection:
                return connection.execute(statement, values).fetchall()
        finally:
            connection.close()

    def restart(self):
        assert self.herd.stop() == 0
        self.herd.start()

    def idle(self):
        return all(worker["state"] == "idle" for worker in self.herd.workers())

    def requests_of_workers(self):
        """How many each worker has answered, once they have nothing in hand."""
        wait_until(self.idle)
        return [worker["requests"] for worker in self.herd.workers()]


class Visitor:
    """A browser: keeps cookies, and sends forms with the token of the page that they stand in."""

    def __init__(self, front, host, headers):
        self.front, self.host, self.headers = front, host, headers
        self.cookies = {}

    def request(self, path, method="GET", body=None, headers=None):
        sent = {**self.headers, **(headers or {})}
        if self.cookies:
            sent["Cookie"] = "; ".join("%s=%s" % cookie for cookie in self.cookies.items())
        answer = self.front.request(urllib.parse.quote(path, safe="/?=&%+"), self.host, method, body, sent)
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, value = re.match(r"([^=]+)=([^;]*)", cookie).groups()
            self.cookies[name] = value
        answer.text = answer.content.decode("utf-8")
        return answer

    def get(self, path, **headers):
        return self.request(path, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def post(self, path, fields, headers=None):
        """`fields` may have bytes that are no text."""
        body = urllib.parse.urlencode(fields)
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.request(path, "POST", body, {**kind, **(headers or {})})

    def token(self, path):
        found = re.search(r'name="token" value="([^"]+)"', self.get(path).text)
        return found and found.group(1)

    def send(self, page, path, **fields):
        """A form of `page`."""
        return self.post(path, {"token": self.token(page), **fields})
