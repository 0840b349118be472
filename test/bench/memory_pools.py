"""A cowherd with some pools in a temporary folder, for the time of a `with` block."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import time

import memory_meter
from memory_meter import CannotMeasure

# A worker collects and gives memory back when it has been quiet for 50 ms.
QUIET = 0.5

CONFIG = """\
control: {directory}/control.sock
log: {{level: warn, error: {directory}/cowherd.log}}
pools:
"""

POOL = """\
  {name}: {{listen: {directory}/{name}.sock, {settings}, apps: [{{root: {directory}/{app}, {answers}}}]}}
"""
if os.geteuid() == 0:
    POOL = POOL.replace("{{listen", "{{user: root, listen")


class Cowherd:
    """
    `apps`: text by name, or texts by file name, which are scripts when one is index.rb; `pools`: (app, settings) by
    name; `more`: settings of each app.
    """

    def __init__(self, build, apps, pools, environment=None, more=None):
        self.build = os.path.abspath(build)
        self.apps, self.pools, self.more = apps, pools, more
        self.environment = {**os.environ, **(environment or {})}
        self.directory = tempfile.mkdtemp(prefix="cowherd-memory-")
        self.process = None

    def __enter__(self):
        try:
            self.start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(120)
        shutil.rmtree(self.directory)

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        os.makedirs(os.path.dirname(self.path(name)), exist_ok=True)
        with open(self.path(name), "w") as file:
            file.write(text)

    def write_configuration(self):
        config = CONFIG.format(directory=self.directory)
        for name, files in self.apps.items():
            for file, text in (files if isinstance(files, dict) else {"config.ru": files}).items():
                self.write(name + "/" + file, text)
        for name, (app, settings) in self.pools.items():
            answers = "scripts: {cache: false}" if "index.rb" in self.apps[app] else "rack: config.ru"
            answers += ", " + self.more if self.more else ""
            config += POOL.format(name=name, directory=self.directory, app=app, answers=answers, settings=settings)
        self.write("cowherd.yml", config)

    def start(self):
        self.write_configuration()
        command = [self.build + "/cowherd", "run", "-c", self.path("cowherd.yml")]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env=self.environment)
        self.wait(lambda: all(pool["state"] == "serving" for pool in self.status()["pools"]), "ready")

    def wait(self, condition, what, pause=0.05):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                if condition():
                    return
            except subprocess.CalledProcessError:
                pass  # the control socket is not there yet
            time.sleep(pause)
        raise CannotMeasure("cowherd was not %s within 60 s" % what)

    def status(self):
        command = [self.build + "/cowherd", "status", "--json", "-s", self.path("control.sock")]
        return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)

    def pool(self, name):
        return next(pool for pool in self.status()["pools"] if pool["name"] == name)

    def socket(self, name):
        return self.path(name + ".sock")

    def load(self, name, requests, *options):
        """Requests a second."""
        command = [self.build + "/bench/fcgi_load", "-c", "8", "-n", str(requests), "-t", "60", "-u", "/",
                   *options, self.socket(name)]
        done = subprocess.run(command, capture_output=True, text=True)
        fields = dict(re.findall(r"(\w+)=([\d.]+)", done.stdout))
        if done.returncode != 0 or fields.get("errors") != "0":
            raise CannotMeasure("the load on %s failed: %s%s" % (name, done.stdout, done.stderr))
        return float(fields["rate"])

    def load_until(self, name, requests):
        """Until every worker has served `requests`."""
        while True:
            workers = self.pool(name)["workers"]
            missing = max(0, requests - min(worker["requests"] for worker in workers))
            if missing == 0:
                return
            self.load(name, missing * len(workers))

    def request(self, name, uri):
        """The whole answer."""
        command = [self.build + "/cowherd", "request", self.socket(name), uri]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def figures(self, name):
        """Of each worker, once they are quiet."""
        time.sleep(QUIET)
        return [memory_meter.measure(worker["pid"]) for worker in self.pool(name)["workers"]]
