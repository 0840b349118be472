"""`cowherd run` as process 1 of a PID namespace, as in a container that has no init."""

import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

import fastcgi
import herd
from herd import PATIENCE, process_stat, wait_until

# What containers usually leave to root, and what they don't.
CAPABILITIES = "chown dac_override fowner fsetid kill setgid setuid setpcap net_bind_service net_raw sys_chroot mknod audit_write setfcap"
NAMESPACE = ["unshare", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"]), "--pid", "--fork", "--kill-child", "--mount-proc"]
NAMESPACE += ["setpriv", "--bounding-set", ",".join(["-all", *("+" + name for name in CAPABILITIES.split())])]

# /leave starts a process whose parent ends at once.
APP = """
run ->(env) {
  case env["PATH_INFO"]
  when "/leave" then IO.popen("sleep 0.05 >/dev/null 2>&1 & echo") { |io| io.read }
  when "/stop" then `kill -STOP $PPID`
  end
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
    # Inside we are root; who isn't outside has nobody else there.
    cowherd.configure(user="www-data" if os.geteuid() == 0 else "root", timeouts={"hard": "2s"})
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


def test_it_upgrades_reopens_and_scales_by_signals(cowherd, alone):
    os.kill(alone, signal.SIGUSR2)
    cowherd.wait_log("has taken over")
    assert cowherd.status()["supervisor"]["pid"] == 1
    log = cowherd.directory / "error.log"
    log.rename(log.with_suffix(".1"))
    os.kill(alone, signal.SIGUSR1)
    wait_until(log.exists)
    os.kill(alone, signal.SIGTTIN)
    wait_until(lambda: [worker["state"] for worker in cowherd.workers()] == ["idle"] * 3)
    assert cowherd.request().status == 200


def test_it_ends_what_runs_for_too_long_and_measures_memory(cowherd, alone):
    """Without SYS_PTRACE another user's worker can't be looked at, and its connection is closed unanswered."""
    cowherd.deaths_expected = True
    with contextlib.suppress(fastcgi.ConnectionClosed):
        assert cowherd.request(uri="/stop").status == 504
    assert cowherd.request().status == 200
    wait_until(lambda: all(worker["memory"]["private"] > 0 for worker in cowherd.workers()))
