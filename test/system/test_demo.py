"""`make demo`: the examples behind Debian's nginx, as a user starts them."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from pathlib import Path

import pytest

from herd import BUILD, REPOSITORY, free_port, wait_until

DEMO = REPOSITORY / "packaging/examples/demo"


class Demo:
    """One run, in a session of its own and below a directory of its own."""

    def __init__(self):
        self.directory = Path(tempfile.mkdtemp(prefix="cowherd-demo-test-"))
        self.directory.chmod(0o755)  # root's demo lets www-data in
        self.output = self.directory / "output"
        self.process = None

    def start(self, port, program=DEMO, **environment):
        settings = {"DEMO_PORT": str(port), "TMPDIR": str(self.directory), "COWHERD_BUILD": str(BUILD), **environment}
        with open(self.output, "wb") as output:
            self.process = subprocess.Popen(
                [program],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **settings},
                start_new_session=True,
            )
        return self.process

    def said(self):
        return self.output.read_text(errors="replace")

    def left_behind(self):
        """Files, and processes of the session, that are still there."""
        files = [path.name for path in self.directory.iterdir() if path != self.output]
        found = subprocess.run(["pgrep", "-s", str(self.process.pid), "-r", "DRST"], stdout=subprocess.PIPE, text=True)
        return files + found.stdout.split()

    def wait_gone(self):
        wait_until(lambda: self.left_behind() == [], what=lambda: "left behind: %s" % self.left_behind())

    def finish(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
        shutil.rmtree(self.directory)


@pytest.fixture
def demo():
    run = Demo()
    yield run
    run.finish()


def test_once_shows_both_apps_and_leaves_nothing(demo):
    process = demo.start(free_port(), ONCE="1")
    assert process.wait(120) == 0, demo.said()
    said = demo.said()
    assert "Grandmother&#39;s clock" in said and "今年の初雪" in said  # the diary, through nginx
    assert '{"readings":[{"time":' in said  # the monitor's JSON
    assert "PID" in said and "web" in said  # the status table
    assert "WRONG" not in said
    demo.wait_gone()


def test_it_runs_as_installed(demo, tmp_path):
    """Beside no build, with the cowherd that is in PATH."""
    examples = shutil.copytree(DEMO.parent, tmp_path / "doc/examples")
    path = "%s:%s" % (BUILD, os.environ["PATH"])
    process = demo.start(free_port(), examples / "demo", ONCE="1", COWHERD_BUILD="", PATH=path)
    assert process.wait(120) == 0, demo.said()
    demo.wait_gone()


def test_control_c_ends_it_cleanly(demo):
    process = demo.start(free_port())
    wait_until(lambda: "Ctrl-C ends it" in demo.said(), timeout=120, what=demo.said)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to everything in the foreground
    assert process.wait(60) == 0, demo.said()
    demo.wait_gone()


def test_a_taken_port_is_named(demo):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = demo.start(port, ONCE="1")
        assert process.wait(60) == 1
    assert "127.0.0.1:%d is taken" % port in demo.said()
    demo.wait_gone()
