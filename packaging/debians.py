"""Fresh Debians in folders, and what is done in each of them: for deb-in-room, test-packages and test-systemd.

What debootstrap makes is kept in DIR/RELEASE.tar, the packages that are built in such a Debian in DIR/RELEASE.
DEBIAN_MIRROR names the mirror, else this machine's apt does.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from pathlib import Path

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "test/system"))
sys.dont_write_bytecode = True

import fastcgi  # noqa: E402

PATIENCE = 60
# What apt, dpkg and ldconfig keep for themselves.
BOOKKEEPING = (
    "dev proc sys tmp run/adduser run/lock var/cache/apt var/cache/debconf var/cache/ldconfig var/lib/apt var/lib/dpkg "
    "var/lib/systemd/deb-systemd-helper-enabled var/log/apt var/log/dpkg.log var/log/alternatives.log etc/ld.so.cache "
    "etc/resolv.conf "
    "etc/passwd- etc/group- etc/shadow- etc/gshadow- etc/subuid- etc/subgid- etc/.pwd.lock srv"
).split()

APP = 'run ->(env) { [200, {"content-type" => "text/plain"}, ["Hello from #{env["PATH_INFO"]}\\n"]] }\n'
POOL = """pools:
  hello:
    listen: /run/cowherd/hello.sock
    user: cowherd
    workers: 3
    apps: [{host: "*", root: /srv/www/hello, rack: config.ru}]
"""


def run(*command, check=True, **more):
    line = [str(word) for word in command]
    result = subprocess.run(line, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if check and result.returncode != 0:
        raise SystemExit("%s: exit status %d\n%s" % (" ".join(line), result.returncode, result.stdout))
    return result


def wait_until(condition, what):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("not within %d s: %s" % (PATIENCE, what))
        time.sleep(0.05)


def expect(condition, what):
    if not condition:
        raise SystemExit("WRONG: " + what)


def say(text):
    print("  " + text, flush=True)


def mirror():
    if os.environ.get("DEBIAN_MIRROR"):
        return os.environ["DEBIAN_MIRROR"]
    lines = run("apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)").stdout.split("\n")
    found = [line.split("|", 3)[3] for line in lines if line.startswith("Debian|Debian|main|")]
    if not found:
        raise SystemExit("apt knows no Debian mirror on this machine: name one with DEBIAN_MIRROR=URL")
    return found[0]


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def readme_steps():
    """The commands by which the README goes from an empty Debian to a first answer, each with its here-document."""
    block = re.search(r"```sh\n(apt-get update\n.*?)```", (TOP / "README.md").read_text(), re.S).group(1)
    return re.findall(r"^(?:.*<<'EOF'\n(?:.*\n)*?EOF|.+)$", block, re.M)


def literals(page):
    """What a manual page shows as it is typed."""
    return re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", (TOP / "packaging/man" / page).read_text(), re.M | re.S)


def newer(package, directory):
    """The same package with a higher version, which its programs say, too."""
    place = directory / "newer"
    run("dpkg-deb", "--raw-extract", package, place)
    control = place / "DEBIAN/control"
    version = next(line.split()[1] for line in control.read_text().split("\n") if line.startswith("Version:"))
    higher = version[:-1] + ("9" if version[-1] != "9" else "8")
    control.write_text(control.read_text().replace("Version: " + version, "Version: %s+1" % higher))
    for program in (place / "usr/sbin/cowherd", place / "usr/libexec/cowherd/cowherd-mold"):
        program.write_bytes(program.read_bytes().replace(version.encode(), higher.encode()))
    run("dpkg-deb", "--root-owner-group", "--build", place, directory / "cowherd_newer.deb")
    return directory / "cowherd_newer.deb", version, higher


class Room:
    """A fresh Debian in a folder."""

    def __init__(self, directory, archive):
        self.root = directory / "root"
        self.root.mkdir()
        run("tar", "--extract", "--numeric-owner", "--file", archive, "--directory", self.root)
        run("mount", "-t", "proc", "proc", self.root / "proc")
        run("mount", "--rbind", "/dev", self.root / "dev")
        shutil.copy("/etc/resolv.conf", self.root / "etc/resolv.conf")

    def leave(self):
        """Takes away what was mounted; the files stay."""
        run("umount", "--recursive", "--lazy", self.root / "dev", self.root / "proc")

    def __call__(self, *command, check=True):
        return run(*self.line(*command), check=check, env=self.environment)

    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root", "LC_ALL": "C"}

    def line(self, *command):
        return ["chroot", str(self.root), *[str(word) for word in command]]

    def files(self):
        """Every path with its kind, owner and mode, but for what package tools keep."""
        skip = {str(self.root / name) for name in BOOKKEEPING}
        found = {}
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if os.path.join(folder, name) not in skip]
            for name in folders + names:
                path = os.path.join(folder, name)
                if path not in skip:
                    status = os.lstat(path)
                    found[path[len(str(self.root)) :]] = (oct(status.st_mode), status.st_uid, status.st_gid)
        return found

    def packages(self):
        return set(self("dpkg-query", "--show", "--showformat", "${Package}\\n").stdout.split())

    def accounts(self):
        return [(self.root / "etc" / name).read_text() for name in ("passwd", "group", "shadow", "gshadow")]


class Load:
    """Threads that ask without a pause; every answer has to be right."""

    def __init__(self, address, threads=4, answer=rb"Hello from /load\n"):
        self.address, self.answer, self.good, self.bad, self.end = address, answer, 0, [], False
        self.threads = [threading.Thread(target=self.work, daemon=True) for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def work(self):
        while not self.end:
            try:
                response = fastcgi.request(self.address, PATIENCE, uri="/load")
                if response.status == 200 and re.fullmatch(self.answer, response.body):
                    self.good += 1
                else:
                    self.bad.append("%s %r" % (response.status, response.body))
            except Exception as error:  # whatever it is, a client has seen it
                self.bad.append(repr(error))

    def more(self, count):
        target = self.good + count
        wait_until(lambda: self.good >= target or self.bad, "%d more answers" % count)

    def stop(self):
        self.end = True
        for thread in self.threads:
            thread.join(PATIENCE)


def alone(name):
    """Goes on as root in mount and PID namespaces of its own: nothing that is mounted or started outlives this."""
    if os.geteuid() != 0:
        raise SystemExit("%s: debootstrap and chroot need root" % name)
    if "COWHERD_TEST_ROOM" not in os.environ:
        os.environ["COWHERD_TEST_ROOM"] = "1"
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        os.execvp("unshare", [*namespaces, sys.executable, *sys.argv])
    run("mount", "--make-rprivate", "/")


@contextmanager
def memory_folder():
    with tempfile.TemporaryDirectory(prefix="room-", dir="/tmp") as name:
        run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", name)
        try:
            yield Path(name)
        finally:
            run("umount", "--recursive", "--lazy", name)


def archive(directory, release):
    """A minimal Debian of this release, packed."""
    packed = directory / (release + ".tar")
    if not packed.exists():
        with memory_folder() as place:
            run("debootstrap", "--variant=minbase", release, place / "base", mirror())
            pack = ["tar", "--create", "--numeric-owner", "--one-file-system", "--directory", place / "base"]
            run(*pack, "--file", "%s.new" % packed, ".")
            os.rename("%s.new" % packed, packed)
    return packed


def build(directory, release):
    """Builds the packages in a fresh Debian, with what they say that they need and lintian, and nothing else."""
    began = time.monotonic()
    target = directory / release
    target.mkdir(exist_ok=True)
    with memory_folder() as place:
        room = Room(place, archive(directory, release))
        needs = room.root / "root/needs/debian/control"
        write(needs, (TOP / "packaging/debian/control").read_text())
        room("apt-get", "update")
        room("apt-get", "build-dep", "--yes", "--no-install-recommends", "/root/needs")
        room("apt-get", "install", "--yes", "--no-install-recommends", "lintian")
        for folder, path in (("tree", TOP), ("packages", target)):
            (room.root / "srv" / folder).mkdir()
            run("mount", "--bind", path, room.root / "srv" / folder)
        options = "DEB_BUILD_OPTIONS=" + os.environ.get("DEB_BUILD_OPTIONS", "nocheck")
        room("env", options, "/srv/tree/packaging/make-deb", "/srv/tree/build/mruby", "/srv/packages")
    say("packages for %s: built there in %.0f s" % (release, time.monotonic() - began))


def package(directory, release):
    """The package cowherd of DIR/RELEASE, which is built when it is not there."""
    if not list((directory / release).glob("cowherd_*.deb")):
        build(directory, release)
    return next((directory / release).glob("cowherd_*.deb"))
