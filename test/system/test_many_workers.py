"""Pools of hundreds of workers: more than a channel holds orders for, more than a low limit of open files."""

import re
import resource
from pathlib import Path

import pytest

from herd import WHOAMI, process_alive

WORKERS = 320
OPEN_FILES = 256


@pytest.fixture
def few_open_files():
    """The soft limit that cowherd is started with."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def soft_limit(pid):
    return int(re.search(r"^Max open files +(\d+)", Path("/proc/%d/limits" % pid).read_text(), re.MULTILINE)[1])


def test_hundreds_of_workers_come_up_and_keep_the_limit_of_open_files(cowherd, few_open_files):
    cowherd.configure(workers=WORKERS)
    cowherd.app(WHOAMI)
    cowherd.start()
    pool = cowherd.pool()
    first = [worker["pid"] for worker in pool["workers"]]
    assert len(set(first)) == WORKERS
    assert {soft_limit(pid) for pid in [pool["mold"]["pid"], *first]} == {OPEN_FILES}
    assert all(worker["ready_s"] > 0 for worker in pool["workers"])
    result = cowherd.reload()
    assert result.returncode == 0, result.stderr
    cowherd.wait_until(lambda: not any(map(process_alive, first)))
    cowherd.wait_ready(2)
    assert int(cowherd.request().text) in cowherd.worker_pids()
