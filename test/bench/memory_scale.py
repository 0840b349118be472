"""A thousand workers of one app, and how soon a recycled worker is replaced."""

import fcntl
import os
import resource
import signal
import statistics
import sys
import tempfile
import time

import memory_apps
import memory_meter
from memory_meter import CannotMeasure
from memory_pools import QUIET, Cowherd

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "system"))
import fastcgi  # noqa: E402

WORKERS = 1000
REQUESTS = 10
ROUNDS = 101


class Thousand:
    """Every worker has served at least REQUESTS; then the figures. `total`: Pss and page tables of workers and mold."""

    def __init__(self, build):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        try:
            apps = {"records": memory_apps.cowherd_records()}
            with Cowherd(build, apps, {"thousand": ("records", "workers: %d" % WORKERS)}) as cowherd:
                self.serve(cowherd)
                self.measure(cowherd)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    def serve(self, cowherd):
        """
        While the first request of each connection waits for a lock, its worker takes no other: so there are as many
        connections as workers, each with one of its own, and all later requests go the same way.
        """
        connections = []
        try:
            with open(cowherd.path("records/lock"), "w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                self.occupy(cowherd, connections)
            for connection, response in connections:
                connection.read_response(response)
            for _ in range(REQUESTS - 1):
                responses = [connection.start(keep=True, uri="/") for connection, _ in connections]
                for (connection, _), response in zip(connections, responses):
                    if connection.read_response(response).status != 200:
                        raise CannotMeasure("a wrong answer: %r" % response)
        finally:
            for connection, _ in connections:
                connection.close()

    def occupy(self, cowherd, connections):
        deadline = time.monotonic() + 60
        missing = WORKERS
        while missing:
            for _ in range(missing):
                connection = fastcgi.Connection(cowherd.socket("thousand"))
                connections.append((connection, connection.start(keep=True, uri="/wait")))
            while missing:
                before = missing
                time.sleep(QUIET)
                missing = sum(worker["state"] != "busy" for worker in cowherd.pool("thousand")["workers"])
                if missing == before:
                    break  # some came to a worker that had one already
            if time.monotonic() > deadline:
                raise CannotMeasure("%d of %d workers got no request" % (missing, WORKERS))

    def measure(self, cowherd):
        time.sleep(QUIET)
        pool = cowherd.pool("thousand")
        requests = [worker["requests"] for worker in pool["workers"]]
        self.workers, self.fewest, self.most = len(requests), min(requests), max(requests)
        figures = [memory_meter.pss_and_page_tables(worker["pid"]) for worker in pool["workers"]]
        figures.append(memory_meter.pss_and_page_tables(pool["mold"]["pid"]))
        self.pss, self.page_tables = (sum(sizes) for sizes in zip(*figures))
        self.total = self.pss + self.page_tables
        self.supervisor = sum(memory_meter.pss_and_page_tables(cowherd.process.pid))


class Replacement:
    """
    Of a worker that leaves after each request, beside bare forks of the same mold, in turn. `ready_us`: from the
    supervisor's order to the worker's READY; `bare_us`: fork, _exit, waitpid (bare_fork.c); medians of ROUNDS.
    """

    def __init__(self, build):
        apps = {"records": memory_apps.cowherd_records()}
        pools = {"recycled": ("records", "workers: 1, recycle: {requests: 1, jitter: 0%}")}
        self.ready, self.bare = [], []
        with tempfile.NamedTemporaryFile("r", prefix="cowherd-bare-fork-") as results:
            environment = {
                "LD_PRELOAD": os.path.join(os.path.abspath(build), "bench", "bare_fork.so"),
                "BARE_FORK_RESULTS": results.name,
            }
            with Cowherd(build, apps, pools, environment) as cowherd:
                pool = cowherd.pool("recycled")
                self.known = {worker["pid"] for worker in pool["workers"]}
                for _ in range(ROUNDS):
                    # Both right after a command has run, so that neither finds the machine colder than the other.
                    cowherd.status()
                    os.kill(pool["mold"]["pid"], signal.SIGRTMIN)
                    cowherd.wait(lambda: self.take_bare(results.readline()), "forking", 0.001)
                    cowherd.request("recycled", "/")
                    cowherd.wait(lambda: self.take_ready(cowherd.pool("recycled")), "replacing a worker", 0.001)
        self.ready_us = statistics.median(self.ready) * 1e6
        self.bare_us = statistics.median(self.bare) / 1e3
        self.ratio = self.ready_us / self.bare_us

    def take_bare(self, line):
        if line == "failed\n":
            raise CannotMeasure("the mold can't fork")
        if line:
            self.bare.append(int(line))
        return bool(line)

    def take_ready(self, pool):
        new = [worker for worker in pool["workers"] if worker["pid"] not in self.known and worker["ready_s"] > 0]
        self.ready += [worker["ready_s"] for worker in new]
        self.known.update(worker["pid"] for worker in new)
        return bool(new)
