"""What molds and workers may do: whose they are, what they are limited to, what they hold open."""

import ctypes
import grp
import json
import os
import pwd
import re
import shutil
import socket
import subprocess

import pytest

from herd import BUILD, descriptors, plain_memory, process_alive, wait_until

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="takes root, who alone can change to another user")

HELLO = 'run ->(env) { [200, {}, ["hello"]] }'

# What the shell answers that the worker starts.
SHELL = 'run ->(env) { [200, {}, [IO.popen(env["HTTP_COMMAND"]) { |io| io.read }]] }'

LIMITS = {
    "as": ("Max address space", 64 << 30),
    "core": ("Max core file size", 4096),
    "cpu": ("Max cpu time", 3600),
    "data": ("Max data size", 32 << 30),
    "fsize": ("Max file size", 1 << 37),
    "memlock": ("Max locked memory", 65536),
    "msgqueue": ("Max msgqueue size", 819200),
    "nice": ("Max nice priority", 0),
    "nofile": ("Max open files", 200),
    "nproc": ("Max processes", 900),
    "rss": ("Max resident set", 1 << 33),
    "rtprio": ("Max realtime priority", 0),
    "rttime": ("Max realtime timeout", 1000000),
    "sigpending": ("Max pending signals", 500),
    "stack": ("Max stack size", 4 << 20),
}


def proc_status(pid):
    with open("/proc/%d/status" % pid) as lines:
        return dict((name, rest.strip()) for name, _, rest in (line.partition(":") for line in lines))


def children(herd, pool="web"):
    """The mold and the workers."""
    now = herd.pool(pool)
    return [now["mold"]["pid"]] + [worker["pid"] for worker in now["workers"]]


def limits_of(pid):
    with open("/proc/%d/limits" % pid) as lines:
        return {line[:26].strip(): tuple(line[26:].split()[:2]) for line in lines}


def oom_score_of(pid):
    with open("/proc/%d/oom_score_adj" % pid) as file:
        return int(file.read())


def sh(herd, command, pool="web"):
    return herd.request(pool=pool, headers={"command": command}).text


@root_only
def test_a_user_has_its_groups_and_no_capabilities(cowherd):
    cowherd.configure(user="www-data", umask="0027", nice=3)
    cowherd.app(SHELL)
    cowherd.start()
    user = pwd.getpwnam("www-data")
    groups = set(os.getgrouplist("www-data", user.pw_gid))
    for pid in children(cowherd):
        status = proc_status(pid)
        assert status["Uid"].split() == [str(user.pw_uid)] * 4
        assert status["Gid"].split() == [str(user.pw_gid)] * 4
        assert set(map(int, status["Groups"].split())) == groups
        for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(status[kind], 16) == 0, (kind, status[kind])
        assert status["NoNewPrivs"] == "1"
        assert os.getpriority(os.PRIO_PROCESS, pid) == 3
    assert sh(cowherd, "id -un; umask") == "www-data\n0027\n"


@root_only
def test_capabilities_that_cowherd_was_given_are_its_own(cowherd):
    """A unit may give the supervisor of a plain user CAP_SYS_PTRACE as an ambient one, which is inherited."""
    cowherd.app(HELLO)
    del cowherd.pools["web"]["user"]
    cowherd.program = cowherd.write(
        "cowherd",
        "#!/bin/sh\nexec setpriv --reuid=nobody --regid=nogroup --clear-groups --inh-caps=+sys_ptrace "
        '--ambient-caps=+sys_ptrace %s "$@"\n' % cowherd.program,
    )
    cowherd.program.chmod(0o755)
    shutil.chown(cowherd.directory, "nobody")
    cowherd.write_configuration()
    if cowherd.command("check").returncode != 0:
        pytest.skip("nobody can't run %s with a capability" % BUILD)
    cowherd.start()
    assert int(proc_status(cowherd.process.pid)["CapEff"], 16) == 1 << 19
    for pid in children(cowherd):
        status = proc_status(pid)
        for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
            assert int(status[kind], 16) == 0, (kind, status[kind])


@root_only
def test_a_group_of_its_own_takes_the_place_of_the_users(cowherd):
    cowherd.configure(user="www-data", group="nogroup")
    cowherd.app(HELLO)
    cowherd.start()
    group = grp.getgrnam("nogroup").gr_gid
    for pid in children(cowherd):
        assert proc_status(pid)["Gid"].split() == [str(group)] * 4


@root_only
def test_root_has_to_be_asked_for(cowherd):
    cowherd.app(HELLO)
    del cowherd.pools["web"]["user"]
    status, said = cowherd.run_failing()
    assert status == 2
    line = 1 + next(i for i, text in enumerate(cowherd.file.read_text().split("\n")) if text == "  web:")
    assert "%s:%d:3: pools.web.user: started by root, cowherd has to be told whom" % (cowherd.file, line) in said
    assert "user: root" in said
    checked = cowherd.command("check")
    assert checked.returncode == 2 and "pools.web.user: started by root" in checked.stderr


@root_only
def test_a_reload_that_takes_the_user_away_is_refused(cowherd):
    cowherd.configure(user="www-data")
    cowherd.app(HELLO)
    cowherd.start()
    pids = cowherd.worker_pids()
    del cowherd.pools["web"]["user"]
    cowherd.write_configuration()
    result = cowherd.reload()
    assert result.returncode == 1 and "pools.web.user: started by root" in result.stderr
    assert cowherd.worker_pids() == pids
    assert cowherd.request().text == "hello"


@pytest.mark.parametrize("unknown", [{"user": "nobody-at-all"}, {"group": "nobody-at-all"}])
def test_an_account_that_is_missing_is_named(cowherd, unknown):
    cowherd.configure(**unknown)
    cowherd.app(HELLO)
    status, said = cowherd.run_failing()
    assert status == 1
    words = 'there is no %s "nobody-at-all"' % list(unknown)[0]
    assert words in said
    checked = cowherd.command("check")
    assert checked.returncode == 2
    assert re.search(r"^%s:\d+:3: pools\.web\.\w+: %s" % (re.escape(str(cowherd.file)), words), checked.stderr, re.M)


@root_only
def test_a_root_that_the_pools_user_may_not_enter_is_said(cowherd):
    cowherd.configure(user="www-data")
    app = cowherd.app(HELLO)
    app.parent.chmod(0o700)
    status, said = cowherd.run_failing()
    assert status == 1
    assert "root %s: Permission denied (the pool's user may not enter it)" % app.parent in said


@root_only
def test_who_may_not_use_the_control_socket_is_told_who_may(cowherd):
    cowherd.app(HELLO)
    cowherd.start()
    cowherd.directory.chmod(0o755)
    asked = subprocess.run(
        ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", cowherd.program, "status", "-s", "control.sock"],
        cwd=cowherd.directory, capture_output=True, text=True, timeout=30, check=False,
    )
    assert asked.returncode == 1
    assert asked.stderr.startswith("control.sock: Permission denied (the control socket is for root and for the user")


@plain_memory
def test_every_resource_limit_is_applied(cowherd):
    settable = {}
    for name, (title, value) in LIMITS.items():
        hard = limits_of(os.getpid())[title][1]
        if os.geteuid() == 0 or hard == "unlimited" or value <= int(hard):
            settable[name] = value
    cowherd.configure(rlimits=settable)
    cowherd.app(HELLO)
    cowherd.start()
    for pid in children(cowherd):
        limits = limits_of(pid)
        for name, value in settable.items():
            # (At the hard limit of processor time a process would be killed without a word.)
            hard = value + 1 if name == "cpu" else value
            assert limits[LIMITS[name][0]] == (str(value), str(hard)), name
    assert cowherd.request().text == "hello"


def test_a_limit_that_can_not_be_had_is_named(cowherd):
    cowherd.configure(rlimits={"nofile": 1 << 40})
    cowherd.app(HELLO)
    status, said = cowherd.run_failing()
    assert status == 1 and "rlimits.nofile: " in said


def test_workers_go_before_the_supervisor_when_memory_runs_out(cowherd):
    ours = oom_score_of(os.getpid())
    cowherd.configure(oom_score_adj=max(700, ours))
    cowherd.app(HELLO)
    cowherd.configure("other", oom_score_adj=max(800, ours))
    cowherd.app(HELLO, pool="other")
    cowherd.start()
    for pool, score in (("web", 700), ("other", 800)):
        for pid in children(cowherd, pool):
            assert oom_score_of(pid) == max(score, ours)
    assert oom_score_of(cowherd.process.pid) <= ours
    if os.geteuid() == 0 and may_lower_oom_score():
        assert oom_score_of(cowherd.process.pid) == min(-500, ours)


def may_lower_oom_score():
    """CAP_SYS_RESOURCE, which a container's root may be without."""
    return int(proc_status(os.getpid())["CapEff"], 16) >> 24 & 1 == 1


def test_programs_that_apps_start_gain_no_privileges_unless_allowed(cowherd):
    cowherd.app(SHELL)
    cowherd.configure("open", no_new_privs=False)
    cowherd.app(SHELL, pool="open")
    cowherd.start()
    asked = "grep NoNewPrivs /proc/self/status"
    ours = proc_status(os.getpid())["NoNewPrivs"]
    assert sh(cowherd, asked).split() == ["NoNewPrivs:", "1"]
    assert sh(cowherd, asked, pool="open").split() == ["NoNewPrivs:", ours]


@root_only
def test_users_can_neither_signal_nor_look_into_what_is_not_theirs(cowherd):
    cowherd.configure(user="www-data")
    cowherd.app(SHELL)
    cowherd.configure("other", user="nobody")
    cowherd.app(HELLO, pool="other")
    cowherd.start()
    strangers = [cowherd.process.pid] + children(cowherd, "other")
    for pid in strangers:
        said = sh(cowherd, "(kill -0 %d && echo signalled; cat /proc/%d/environ; ls /proc/%d/fd) 2>&1; true" % ((pid,) * 3))
        assert "signalled" not in said and said.count("ermission denied") + said.count("not permitted") == 3, said
    files = [cowherd.directory / "control.sock"]
    for path in files:
        assert sh(cowherd, "test -w %s || echo refused" % path) == "refused\n"
    # What one pool's code knows of another's memory and connections: nothing it could open.
    mine = set(descriptors(cowherd.worker_pids().pop()).values())
    theirs = set(descriptors(cowherd.worker_pids("other").pop()).values())
    assert not {link for link in mine & theirs if link.startswith(("socket:", "pipe:"))}


def attempts(pid):
    """What one process can try on another: a name, and whether the kernel let it."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    buffer = ctypes.create_string_buffer(8)
    vector = (ctypes.c_void_p * 2)(ctypes.addressof(buffer), 8)
    limits = (ctypes.c_ulong * 2)(100, 100)

    def opens(name, flags=os.O_RDONLY):
        try:
            descriptor = os.open("/proc/%d/%s" % (pid, name), flags)
        except PermissionError:
            return False
        try:
            # Whoever may not look at the process finds these open and can do nothing with them.
            return flags != os.O_RDONLY or len(os.read(descriptor, 1)) > 0
        except OSError:
            return False
        finally:
            os.close(descriptor)

    def lists(name):
        try:
            return [os.stat("/proc/%d/%s/%s" % (pid, name, entry)) for entry in os.listdir("/proc/%d/%s" % (pid, name))] != []
        except PermissionError:
            return False

    def calls(number, *arguments):
        return libc.syscall(number, *(ctypes.c_ulong(value) for value in arguments)) >= 0

    yield "kill", calls(62, pid, 0)
    yield "ptrace", calls(101, 16, pid, 0, 0)
    yield "process_vm_readv", calls(310, pid, ctypes.addressof(vector), 1, ctypes.addressof(vector), 1, 0)
    yield "process_vm_writev", calls(311, pid, ctypes.addressof(vector), 1, ctypes.addressof(vector), 1, 0)
    yield "prlimit", calls(302, pid, 7, ctypes.addressof(limits), 0)
    yield "setpriority", calls(141, 0, pid, 19)
    pidfd = libc.syscall(434, pid, 0)
    if pidfd >= 0:
        yield "pidfd_send_signal", calls(424, pidfd, 0, 0, 0)
        yield "pidfd_getfd", any(calls(438, pidfd, number, 0) for number in range(20))
    for name in ("environ", "maps", "stack", "pagemap"):
        yield name, opens(name)
    yield "mem", opens("mem", os.O_RDWR)
    yield "oom_score_adj", opens("oom_score_adj", os.O_WRONLY)
    yield "fd", lists("fd")
    yield "map_files", lists("map_files")


@root_only
@pytest.mark.skipif(os.uname().machine != "x86_64", reason="has the numbers of x86_64's system calls")
def test_a_pools_user_gets_at_no_process_of_another(cowherd):
    cowherd.configure(user="www-data")
    cowherd.app(HELLO)
    cowherd.configure("other", user="nobody")
    cowherd.app(HELLO, pool="other")
    cowherd.start()
    targets = [cowherd.process.pid] + children(cowherd, "other")
    account = pwd.getpwnam("www-data")
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setresgid(account.pw_gid, account.pw_gid, account.pw_gid)
            os.setresuid(account.pw_uid, account.pw_uid, account.pw_uid)
            said = {pid: dict(attempts(pid)) for pid in targets}
            for path in (cowherd.directory / "control.sock",):
                with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                    said["control"] = {"connect": client.connect_ex(str(path)) == 0}
        except BaseException as error:
            said = {"error": repr(error)}
        os.write(writing, json.dumps(said).encode())
        os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        said = json.load(pipe)
    os.waitpid(child, 0)
    assert set(said) == {str(pid) for pid in targets} | {"control"}, said
    for target, tried in said.items():
        assert len(tried) > 10 or target == "control"
        assert not any(tried.values()), (target, [name for name, done in tried.items() if done])
    cowherd.wait_ready()


def test_molds_and_workers_hold_no_descriptor_beyond_what_they_need(cowherd):
    cowherd.settings["log"]["access"] = {"path": cowherd.directory / "access.log", "format": "common"}
    cowherd.configure(listen=[cowherd.directory / "web.sock", cowherd.directory / "more.sock"])
    cowherd.app(HELLO)
    cowherd.app(HELLO, pool="other")
    cowherd.start()
    pool = cowherd.pool()

    def kinds(pid):
        links = descriptors(pid)
        assert links.pop(0) == "/dev/null"
        assert links.pop(1) == links.pop(2) != ""
        found = sorted(
            "socket" if link.startswith("socket:") else link.replace(" (deleted)", "").rpartition("/")[2]
            for link in links.values()
        )
        return found

    # Two listeners, the channel, the queue of connections that workers give each other; the app's root, to come back to;
    # the scoreboard and the region are maps.
    common = ["access.log", "socket", "socket", "socket", "socket", "web0"]
    board = [name for name in kinds(pool["mold"]["pid"]) if name.startswith("memfd:")]
    assert len(board) <= 2, board
    assert kinds(pool["mold"]["pid"]) == sorted(common + board)
    for worker in pool["workers"]:
        # (One epoll descriptor for all, one for the listeners; the escrow is a socket more.)
        found = [name for name in kinds(worker["pid"]) if name not in board]
        assert [name for name in found if not name.startswith("anon_inode:")] == sorted(common + ["socket"]), found
        assert len(found) - len(common) <= 3, found


@root_only
def test_a_chroot_holds_mold_and_workers(cowherd):
    jail = cowherd.directory / "jail"
    os.makedirs(jail / "lib")
    (jail / "lib/hello.rb").write_text('Hello = "hello"')
    (jail / "note").write_text("inside")
    (cowherd.directory / "note").write_text("outside")
    app = cowherd.write(
        "jail/app/config.ru",
        'run ->(env) { [200, {}, [Hello, File.open("/note") { |f| f.read }, __FILE__, File.exist?("/etc").to_s,'
        " Time.now.zone]] }",
    )
    cowherd.settings["log"]["access"] = {"path": cowherd.directory / "access.log", "format": "common"}
    cowherd.configure(
        chroot=jail,
        user="www-data",
        env={"TZ": "Asia/Tokyo"},
        preload=[jail / "lib/hello.rb"],
        apps=[{"host": "*", "root": app.parent, "rack": "config.ru"}],
    )
    cowherd.start()
    assert cowherd.command("check").returncode == 0, "apps are compiled by their paths outside"
    said = cowherd.request().text
    assert said.startswith("helloinside") and "/app/config.rufalse" in said and str(jail) not in said, said
    for pid in children(cowherd):
        assert os.path.samefile("/proc/%d/root" % pid, jail)
        assert int(proc_status(pid)["CapEff"], 16) == 0
    assert cowherd.reload().returncode == 0
    assert cowherd.request().text == said
    wait_until(lambda: (cowherd.directory / "access.log").read_text().count('"GET / HTTP/1.1" 200') == 2)
    cowherd.wait_until(lambda: cowherd.workers()[0]["memory"]["rss"] > 0, what="looked at from outside, where /proc is")


@root_only
def test_a_chroot_that_is_no_directory_is_named(cowherd):
    cowherd.app(HELLO)
    jail = cowherd.directory / "none"
    cowherd.configure(chroot=jail, apps=[{"host": "*", "root": jail / "app", "rack": "config.ru"}])
    status, said = cowherd.run_failing()
    assert status == 1 and "chroot: %s: No such file or directory" % jail in said


@root_only
def test_another_user_may_not_command(cowherd):
    cowherd.app(HELLO)
    cowherd.start()
    path = str(cowherd.directory / "control.sock")
    assert os.stat(path).st_mode & 0o777 == 0o600
    os.chmod(path, 0o666)  # whoever does this by mistake
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups([])
            os.setresgid(65534, 65534, 65534)
            os.setresuid(65534, 65534, 65534)
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.settimeout(10)
                client.connect(path)
                try:
                    client.sendall(b"stop now\n")
                    code = 0 if client.recv(100) == b"" else 2
                except (BrokenPipeError, ConnectionResetError):
                    code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    cowherd.wait_log("control: a client is refused: process %d is user 65534's" % pid)
    assert process_alive(cowherd.process.pid)
    assert cowherd.request().text == "hello"
    assert cowherd.command("status").returncode == 0
