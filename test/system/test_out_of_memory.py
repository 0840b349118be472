"""A worker that the kernel ends for want of memory, in a control group that has little of it."""

import contextlib
import os
from pathlib import Path

import pytest

from herd import wait_until

LIMIT = 48 << 20
APP = """
run ->(env) do
  kept = []
  loop { kept << "x" * 1_000_000 } if env["PATH_INFO"] == "/eat"
  [200, {}, ["fed"]]
end
"""


def own_groups():
    """Folders of the groups that this process is in and that could limit memory, with the names of the limits."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        number, controllers, path = line.split(":", 2)
        if number == "0":
            yield Path("/sys/fs/cgroup" + path), "memory.max", "memory.swap.max"
        elif "memory" in controllers.split(","):
            yield Path("/sys/fs/cgroup/memory" + path), "memory.limit_in_bytes", "memory.swappiness"


def make_group(why):
    for parent, limit, swap in own_groups():
        group = parent / ("cowherd-test-%d" % os.getpid())
        try:
            group.mkdir()
        except OSError as error:
            why.append("%s: %s" % (group, error.strerror))
            continue
        try:
            (group / limit).write_text(str(LIMIT))
            with contextlib.suppress(OSError):
                (group / swap).write_text("0")
            return group
        except OSError as error:
            why.append("%s: %s" % (group / limit, error.strerror))
            group.rmdir()
    return None


@pytest.fixture
def group():
    why = []
    made = make_group(why)
    if made is None:
        pytest.skip("no control group with a limit of memory can be made: " + "; ".join(why))
    yield made
    wait_until(lambda: not (made / "cgroup.procs").read_text())
    made.rmdir()


def test_a_worker_ended_for_memory_is_told_from_others(group, cowherd):
    cowherd.deaths_expected = True
    cowherd.app(APP)
    real = cowherd.program
    wrapper = cowherd.write("limited", '#!/bin/sh\necho $$ >%s/cgroup.procs && exec %s "$@"\n' % (group, real))
    wrapper.chmod(0o755)
    cowherd.program = wrapper
    cowherd.start()
    cowherd.program = real
    with cowherd.connect() as connection:
        connection.start(uri="/eat")
        connection.wait_closed()
    cowherd.wait_log("ended: signal 9 (SIGKILL), by the kernel: out of memory, after")
    cowherd.wait_log("serving GET localhost/eat")
    cowherd.wait_until(lambda: cowherd.pool()["crashes"]["killed_for_memory"] == 1)
    assert "ended by the kernel for memory: 1 workers" in cowherd.command("status").stdout
    cowherd.wait_ready()
    assert cowherd.request().text == "fed"
    assert cowherd.ledger()["lost"] == 1
