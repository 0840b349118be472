"""What can go wrong between the supervisor and its molds, some of it with a mold that is none."""

import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from datetime import datetime, timedelta

import pytest

from herd import BUILD, PATIENCE, REPOSITORY, process_alive, process_stat, session_processes, wait_until

HELLO = "run ->(env) { [200, {}, ['hello']] }"

# A program in the place of cowherd-mold. `send` and `receive` are its ends of the channel; what it does is appended.
FAKE_MOLD = """#!%(python)s
import array, os, signal, socket, struct, sys, time
options = dict(zip(sys.argv[1::2], sys.argv[2::2]))
channel = socket.socket(fileno=int(options["--channel-fd"]))
channel.setblocking(True)
signal.alarm(60)
TYPES = %(types)r
def send(name, payload):
    channel.send(struct.pack("<Q", TYPES.index(name)) + payload)
def receive():
    return channel.recvmsg(65536, socket.CMSG_SPACE(64))
"""


def message_types():
    text = (REPOSITORY / "daemon/base/messages.def").read_text()
    return re.findall(r"^MESSAGE\((\w+)", text, re.M)


@pytest.fixture
def own_mold(cowherd):
    """cowherd from a directory of its own; the value is the place of its mold, which is not there yet."""
    folder = cowherd.directory / "bin"
    folder.mkdir()
    cowherd.program = folder / "cowherd"
    shutil.copy(BUILD / "cowherd", cowherd.program)
    return folder / "cowherd-mold"


def fake(mold, source):
    mold.write_text(FAKE_MOLD % {"python": sys.executable, "types": message_types()} + source)
    mold.chmod(0o755)


def mold_deaths(cowherd, generation):
    return cowherd.log_lines("mold of web", "generation %d)" % generation, " ended: ")


def test_a_mold_that_fails_leaves_by_itself(cowherd):
    path = cowherd.app(HELLO)
    cowherd.start()
    path.write_text("raise 'not today'\n")
    for generation in range(2, 5):
        assert cowherd.reload().returncode == 1
        line = wait_until(lambda: mold_deaths(cowherd, generation))[0]
        assert "exit status 1" in line, line


def test_a_mold_that_fails_is_given_time_to_leave(cowherd, own_mold):
    cowherd.app(HELLO)
    fake(own_mold, 'send("FAILED", b"not today\\0")\ntime.sleep(0.2)\nsys.exit(7)\n')
    status, said = cowherd.run_failing()
    assert status == 1 and "not today" in said
    assert "exit status 7" in mold_deaths(cowherd, 1)[0]


def test_a_mold_that_fails_and_stays_is_killed(cowherd, own_mold):
    cowherd.app(HELLO)
    fake(own_mold, 'send("FAILED", b"not today\\0")\nreceive()\ntime.sleep(60)\n')
    status, said = cowherd.run_failing()
    assert status == 1 and "not today" in said
    assert "signal 9 (SIGKILL)" in mold_deaths(cowherd, 1)[0]
    assert "told to go: it has failed and did not leave" in mold_deaths(cowherd, 1)[0]


def test_a_mold_that_is_still_loading_at_its_deadline_is_killed_and_it_is_said_why(cowherd):
    cowherd.configure(restart={"ready_timeout": "1s"})
    cowherd.app("begin\n  loop { 1 + 1 }\nrescue Exception\n  retry\nend\n")
    assert cowherd.run_failing()[0] == 1
    line = mold_deaths(cowherd, 1)[0]
    assert "signal 9 (SIGKILL)" in line and "; told to go: " in line


def test_a_process_that_is_none_of_the_molds_workers_is_left_alone(cowherd, own_mold):
    """A mold runs code of apps: what it names as its worker would be sent signals by the supervisor."""
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        cowherd.app(HELLO)
        fake(
            own_mold,
            """
send("LOADED", struct.pack("<IIQQQQ", 1, 1, 1, 0, 0, 0))
for _ in range(2):
    packet = receive()[0]
    assert struct.unpack_from("<Q", packet)[0] == TYPES.index("FORK"), packet
    send("FORKED", struct.pack("<Iii", struct.unpack_from("<I", packet, 8)[0], %d, 0))
receive()
time.sleep(60)
"""
            % stranger.pid,
        )
        assert cowherd.run_failing()[0] == 1
        assert cowherd.log_lines("named process %d, which is none of its workers" % stranger.pid)
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_mold_that_can_not_be_started_is_tried_again(cowherd, own_mold):
    cowherd.deaths_expected = True
    shutil.copy(BUILD / "cowherd-mold", own_mold)
    cowherd.app(HELLO)
    cowherd.start()
    own_mold.rename(own_mold.with_suffix(".away"))
    os.kill(cowherd.pool()["mold"]["pid"], signal.SIGKILL)
    cowherd.wait_log("can't be started: can't start cowherd-mold")
    assert cowherd.request().text == "hello"
    own_mold.with_suffix(".away").rename(own_mold)
    cowherd.wait_until(lambda: cowherd.pool()["generation"] > 1 and cowherd.pool()["mold"]["pid"])
    assert cowherd.request().text == "hello"


def test_a_mold_that_does_not_fork_is_replaced(cowherd):
    cowherd.deaths_expected = True
    cowherd.configure(restart={"ready_timeout": "2s"})
    cowherd.app(HELLO)
    cowherd.start()
    mold = cowherd.pool()["mold"]["pid"]
    os.kill(mold, signal.SIGSTOP)
    os.kill(min(cowherd.worker_pids()), signal.SIGKILL)
    cowherd.wait_log("mold of web (pid %d" % mold, "told to go: it did not fork a worker")
    cowherd.wait_generation(2)
    cowherd.wait_ready()
    assert cowherd.request().text == "hello"


def test_a_worker_that_ends_before_its_mold_is_heard_of_it_is_buried_as_one(cowherd):
    """The supervisor reads of deaths first: one is known to it, the other's name waits in the mold's channel."""
    cowherd.deaths_expected = True
    cowherd.app(HELLO)
    cowherd.start()
    first, second = sorted(cowherd.worker_pids())
    mold, supervisor = cowherd.pool()["mold"]["pid"], cowherd.process.pid
    os.kill(mold, signal.SIGSTOP)
    os.kill(first, signal.SIGKILL)
    cowherd.wait_until(lambda: [worker for worker in cowherd.workers() if worker["pid"] == 0], what="one is ordered")
    os.kill(supervisor, signal.SIGSTOP)
    wait_until(lambda: process_stat(supervisor)[0] == "T")
    os.kill(second, signal.SIGKILL)
    wait_until(lambda: not process_alive(second))
    os.kill(mold, signal.SIGCONT)

    def forked():
        there = session_processes(supervisor)
        return [pid for pid, title in there.items() if title.endswith("(idle)") and process_stat(mold)[0] == "S"]

    (short_lived,) = wait_until(forked)
    os.kill(short_lived, signal.SIGKILL)
    wait_until(lambda: not process_alive(short_lived))
    os.kill(supervisor, signal.SIGCONT)
    cowherd.wait_log("worker ", "(pid %d," % short_lived, " ended: signal 9")
    assert not cowherd.log_lines("which is none of its workers")
    cowherd.wait_ready()


# -- several pools at start


def test_a_pool_that_fails_ends_the_start_while_another_is_still_loading(cowherd):
    gate = cowherd.fifo()
    del cowherd.pools["web"]
    cowherd.app('File.open("%s") { |f| f.read }\n%s' % (gate, HELLO), pool="slow")
    cowherd.app("raise 'not today'\n")
    status, said = cowherd.run_failing()
    assert status == 1 and "not today" in said


def test_a_pool_that_a_reload_takes_out_while_it_loads_does_not_fail_the_start(cowherd):
    slow, held = cowherd.fifo(), cowherd.fifo()
    del cowherd.pools["web"]
    cowherd.app('File.open("%s") { |f| f.read }\n%s' % (slow, HELLO), pool="slow")
    cowherd.app('File.open("%s") { |f| f.read }\n%s' % (held, HELLO), pool="web")
    cowherd.start(ready=False)
    with slow.wait_reader(), held.wait_reader():
        del cowherd.pools["slow"]
        cowherd.write_configuration()
        cowherd.signal(signal.SIGHUP)
        cowherd.wait_log("slow: the pool is gone")
    cowherd.wait_ready()
    assert cowherd.request().text == "hello"
    assert not [line for line in cowherd.stderr().split("\n") if line.startswith("cowherd: slow:")]


# -- the control socket


def processor_ticks(pid):
    with open("/proc/%d/stat" % pid) as file:
        user, system = file.read().rpartition(")")[2].split()[11:13]
    return int(user) + int(system)


def said_twice(herd, text):
    """When it was said first, and when again."""
    times = [datetime.fromisoformat(line.split(" ")[0].rstrip("Z")) for line in herd.log_lines(text)]
    return times if len(times) > 1 else None


def test_the_supervisor_rests_while_it_can_not_accept_a_client(cowherd):
    cowherd.app(HELLO)
    cowherd.start()
    pid = cowherd.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, limits[1]))
    client = subprocess.Popen(
        [str(cowherd.program), "status", "-s", str(cowherd.settings["control"])], stdout=subprocess.PIPE
    )
    try:
        cowherd.wait_log("control: a client can't be accepted")
        before, second = processor_ticks(pid), os.sysconf("SC_CLK_TCK")
        told = cowherd.wait_until(lambda: said_twice(cowherd, "control: a client can't be accepted"))
        assert told[1] - told[0] > timedelta(seconds=0.5)
        assert processor_ticks(pid) - before < second / 2
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        assert b"hello" not in client.communicate(timeout=PATIENCE)[0] and client.returncode == 0
    finally:
        client.kill()
        client.wait()
    assert process_alive(pid)


def test_clients_that_hang_up_while_they_wait_harm_nobody(cowherd):
    gate = cowherd.fifo()
    path = cowherd.app(HELLO)
    cowherd.start()
    path.write_text('File.open("%s") { |f| f.read }\n%s' % (gate, HELLO))
    waiting = [
        subprocess.Popen([str(cowherd.program), "reload", "-s", str(cowherd.settings["control"])]) for _ in range(3)
    ]
    with gate.wait_reader():
        cowherd.wait_until(lambda: len(cowherd.log_lines("control: reload")) == 3)
        for client in waiting:
            client.kill()
            client.wait()
        path.write_text(HELLO)
    cowherd.wait_generation(3)
    assert cowherd.reload().returncode == 0
    assert cowherd.request().text == "hello"
