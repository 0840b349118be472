"""unicorn, gunicorn and Starlet under start_server, with their data loaded before the fork, and a client for them."""

import os
import selectors
import shutil
import socket
import subprocess
import time

import memory_apps
import memory_meter
from memory_meter import CannotMeasure

REQUEST = b"GET / HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n"
ANSWER = b"\r\n\r\nHello, world\n"
CLIENTS = 8

UNICORN_RB = """\
worker_processes {workers}
preload_app true
listen "{socket}"
stderr_path "{log}"
"""


class Peer:
    def __init__(self, name, program, app, app_file, command):
        self.name, self.program, self.app, self.app_file, self.command = name, program, app, app_file, command

    def is_installed(self):
        return shutil.which(self.program) is not None


PEERS = [
    Peer("unicorn", "unicorn", memory_apps.unicorn_records, "config.ru",
         lambda place: ["unicorn", "-E", "none", "-c", place.unicorn_rb(), place.app_path]),
    Peer("gunicorn", "gunicorn", memory_apps.gunicorn_records, "app.py",
         lambda place: ["gunicorn", "--preload", "-w", str(place.workers), "-b", "unix:" + place.socket, "--log-level",
                        "warning", "app:app"]),
    Peer("Starlet", "start_server", memory_apps.starlet_records, "app.psgi",
         lambda place: ["start_server", "--path=" + place.socket, "--", "plackup", "-E", "deployment", "-s", "Starlet",
                        "--max-workers", str(place.workers), "--max-reqs-per-child", "1000000000", place.app_path]),
]


class RunningPeer:
    """A peer in a folder of its own, for the time of a `with` block."""

    def __init__(self, peer, directory, workers):
        self.peer, self.workers = peer, workers
        self.directory = os.path.join(directory, peer.name)
        self.socket = os.path.join(self.directory, "socket")
        self.app_path = os.path.join(self.directory, peer.app_file)
        self.log = os.path.join(self.directory, "log")
        self.process = None

    def unicorn_rb(self):
        path = os.path.join(self.directory, "unicorn.rb")
        with open(path, "w") as file:
            file.write(UNICORN_RB.format(workers=self.workers, socket=self.socket, log=self.log))
        return path

    def __enter__(self):
        os.mkdir(self.directory)
        with open(self.app_path, "w") as file:
            file.write(self.peer.app())
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.peer.command(self), cwd=self.directory, stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log)
        try:
            self.wait()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def wait(self):
        deadline = time.monotonic() + 60
        while not os.path.exists(self.socket) or len(self.worker_pids()) != self.workers:
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(self.log, errors="replace") as log:
                    raise CannotMeasure("%s did not start:\n%s" % (self.peer.name, log.read()))
            time.sleep(0.05)

    def worker_pids(self):
        return [leaf for leaf in memory_meter.leaves(self.process.pid) if leaf != self.process.pid]

    def figures(self):
        return [memory_meter.measure(pid) for pid in self.worker_pids()]

    def load(self, served, requests):
        """Until each worker has served `requests`; `served` maps pids to requests so far."""
        pids = self.worker_pids()
        HttpLoad(self.socket, served).run(lambda: min(served.get(pid, 0) for pid in pids) >= requests)


class HttpLoad:
    """Clients that send one request after another, each on a connection of its own."""

    def __init__(self, address, served):
        self.address, self.served = address, served
        self.selector = selectors.DefaultSelector()
        self.open = 0

    def run(self, is_enough):
        for _ in range(CLIENTS):
            self.connect()
        while self.open:
            for key, _ in self.selector.select(30) or self.fail("no answer within 30 s"):
                data = key.fileobj.recv(65536)
                if data:
                    key.data.append(data)
                    continue
                self.selector.unregister(key.fileobj)
                key.fileobj.close()
                self.open -= 1
                self.take(b"".join(key.data))
                if not is_enough():
                    self.connect()

    def connect(self):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self.address)
        connection.sendall(REQUEST)
        connection.setblocking(False)
        self.selector.register(connection, selectors.EVENT_READ, [])
        self.open += 1

    def take(self, answer):
        if b" 200 " not in answer[:20] or not answer.endswith(ANSWER):
            self.fail("a wrong answer: %r" % answer)
        worker = answer.lower().partition(b"x-worker: ")[2]
        pid = int(worker[: worker.index(b"\r")])
        self.served[pid] = self.served.get(pid, 0) + 1

    def fail(self, why):
        raise CannotMeasure("%s: %s" % (self.address, why))
