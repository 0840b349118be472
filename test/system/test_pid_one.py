"""`cowherd run` as process 1 of a PID namespace, as in a container that has no init."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

import herd
from herd import PATIENCE, process_stat, wait_until

NAMESPACE = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--pid", "--fork", "--kill-child", "--mount-proc"]

# /leave starts a process whose parent ends at once.
APP = """
run ->(env) {
  IO.popen("sleep 0.05 >/dev/null 2>&1 & echo") { |io| io.read } if env["PATH_INFO"] == "/leave"
  [200, {}, [File.open("/proc/self/stat") { |f| f.gets.split[3] }]]
}
"""


def children(pid):
    found = {}
    for entry in os.listdir("/proc"):
        stat = process_stat(int(entry)) if entry.isdigit() else None
        if stat and stat[1] == pid:
            found[int(entry)] = stat[0]
    return found


@pytest.fixture
def alone(cowherd, monkeypatch):
    if shutil.which("unshare") is None or subprocess.run([*NAMESPACE, "true"], capture_output=True).returncode != 0:
        pytest.skip("PID namespaces can't be made here")
    cowherd.app(APP)
    if os.geteuid() != 0:
        cowherd.configure(user="root")  # who we are inside
    program = cowherd.program
    starter = cowherd.write("starter", '#!/bin/sh\nexec %s "%s" "$@"\n' % (" ".join(NAMESPACE), program))
    starter.chmod(0o755)
    cowherd.program = starter
    cowherd.start(ready=False)
    cowherd.program = program
    cowherd.wait_ready()
    (first,) = children(cowherd.process.pid)
    assert Path("/proc/%d/status" % first).read_text().split("NSpid:")[1].split("\n")[0].split()[-1] == "1"
    yield first
    # Whoever is left goes with process 1, before the test looks.
    with contextlib.suppress(ProcessLookupError):
        os.kill(first, signal.SIGTERM)
    cowherd.process.wait(PATIENCE)


def test_it_reaps_whom_apps_leave_behind(cowherd, alone):
    for _ in range(5):
        assert cowherd.request(uri="/leave").status == 200
    wait_until(lambda: sorted(set(children(alone).values()) - {"S", "R", "D"}) == [], what=lambda: children(alone))
    assert cowherd.request().body == b"1"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT, signal.SIGINT])
def test_it_stops_as_ever(cowherd, alone, number):
    assert cowherd.status()["supervisor"]["pid"] == 1
    cowherd.deaths_expected = number == signal.SIGINT
    os.kill(alone, number)
    assert cowherd.process.wait(PATIENCE) == 0


def test_requests_in_hand_are_finished_and_hup_reloads(cowherd, alone):
    os.kill(alone, signal.SIGHUP)
    cowherd.wait_generation(2)
    with herd.Load(cowherd, threads=2) as load:
        load.wait_answers(20)
        os.kill(alone, signal.SIGTERM)
        assert cowherd.process.wait(PATIENCE) == 0
    assert load.failures == []
