"""Logs that go to syslog, on a socket of the test's own: cowherd runs in a mount namespace with another /dev."""

import os
import socket
import subprocess

import pytest

from herd import BUILD, PATIENCE, wait_until

APP = """
run ->(env) {
  env["rack.errors"].puts "%s%n of the app\\nits second line"
  [200, {}, ["hello"]]
}
"""

# Everything stays in the namespace, which goes with the process.
WRAPPER = """#!/bin/sh
exec unshare %(options)s sh -c '
for name in null zero full random urandom; do
    : >"%(dev)s/$name" && mount --bind "/dev/$name" "%(dev)s/$name" || exit 1
done
mount --bind "%(dev)s" /dev && exec "$0" "$@"' %(program)s "$@"
"""


def wrapper(directory, program):
    path = directory / "with-own-dev"
    options = "-m" if os.geteuid() == 0 else "-rm"
    path.write_text(WRAPPER % {"options": options, "dev": directory / "dev", "program": program})
    path.chmod(0o755)
    return path


@pytest.fixture
def messages(cowherd, tmp_path_factory):
    """cowherd writes to a /dev/log whose other end this is: a list that grows."""
    device = cowherd.directory / "dev"
    device.mkdir()
    probe = subprocess.run([wrapper(cowherd.directory, "true")], capture_output=True, text=True, timeout=PATIENCE)
    if probe.returncode != 0:
        pytest.skip("no mount namespace is to be had here: %s" % probe.stderr.strip())
    cowherd.program = wrapper(cowherd.directory, BUILD / "cowherd")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as log:
        log.bind(str(device / "log"))
        os.chmod(device / "log", 0o666)
        log.setblocking(False)
        received = []

        def read():
            while True:
                try:
                    received.append(log.recv(1 << 20).decode())
                except BlockingIOError:
                    return received

        yield read


def wait_message(messages, *parts):
    def found():
        return [text for text in messages() if all(part in text for part in parts)]

    return wait_until(found, what=lambda: "a message with %s: %s" % (parts, messages()))


def test_the_error_log(cowherd, messages):
    cowherd.settings["log"]["error"] = "syslog"
    cowherd.app(APP, host="a.test")
    cowherd.start()
    started = wait_message(messages, "cowherd", "starts, configuration")[0]
    assert started.startswith("<30>") and " cowherd[%d]: " % cowherd.process.pid in started
    assert cowherd.request(host="a.test").text == "hello"
    line = wait_message(messages, "%s%n of the app")[0]
    assert line.endswith(" a.test/] %s%n of the app"), line
    wait_message(messages, "its second line")
    cowherd.command("reopen", "-s", cowherd.settings["control"], file=False)
    wait_message(messages, "the logs are reopened")


def test_the_access_log(cowherd, messages):
    cowherd.settings["log"]["access"] = {"path": "syslog", "format": "common"}
    cowherd.app(APP, host="a.test")
    cowherd.start()
    workers = cowherd.worker_pids()
    assert cowherd.request("/100%25s%6e", host="a.test").text == "hello"
    line = wait_message(messages, '"GET /100%25s%6e HTTP/1.1" 200 5')[0]
    assert line.startswith("<30>")
    assert [pid for pid in workers if " cowherd[%d]: " % pid in line], line
    assert not [text for text in messages() if "configuration" in text], "the error log is a file"
