"""Listening sockets: bound by cowherd, with owner, mode and backlog, and handed over by systemd."""

import concurrent.futures
import contextlib
import grp
import os
import pwd
import select
import shutil
import signal
import socket
import subprocess
import threading

import pytest

import fastcgi
from herd import (
    ENVIRONMENT,
    PATIENCE,
    WHOAMI,
    Load,
    descriptors,
    free_port,
    process_alive,
    process_stat,
    process_title,
    wait_until,
)

X = 'run ->(env) { [200, {}, ["x"]] }'
HOLD = """
run ->(env) { File.open("%s") { |f| f.read } if env["PATH_INFO"] == "/hold"; [200, {}, ["x"]] }
"""
BROKEN = "this is ( no Ruby"

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may give sockets away")


def stat_of(path):
    status = os.stat(path)
    return pwd.getpwuid(status.st_uid).pw_name, grp.getgrgid(status.st_gid).gr_name, status.st_mode & 0o777


def has_ipv6():
    with socket.socket(socket.AF_INET6) as sock:
        try:
            sock.bind(("::1", 0))
        except OSError:
            return False
    return True


# -- owner, group, mode, backlog


@as_root
def test_owner_group_and_mode_are_those_of_the_configuration(cowherd):
    cowherd.configure(socket={"owner": "www-data", "group": "daemon", "mode": "0640"})
    cowherd.app(X)
    cowherd.start()
    assert stat_of(cowherd.address()) == ("www-data", "daemon", 0o640)
    cowherd.configure(socket={"group": "www-data", "mode": "0606"})
    cowherd.write_configuration()
    assert cowherd.reload().returncode == 0
    assert stat_of(cowherd.address())[1:] == ("www-data", 0o606)


@pytest.mark.parametrize("key", ["owner", "group"])
def test_an_account_that_does_not_exist_fails_start_and_reload(cowherd, key):
    cowherd.app(X)
    cowherd.start()
    before = stat_of(cowherd.address())
    cowherd.configure(socket={key: "nobody-of-this-name", "mode": "0600"})
    cowherd.write_configuration()
    result = cowherd.reload()
    assert result.returncode != 0
    assert "nobody-of-this-name" in result.stderr
    assert stat_of(cowherd.address()) == before
    assert cowherd.request().text == "x"


def test_a_reload_that_fails_changes_neither_mode_nor_backlog(cowherd):
    app = cowherd.app(X)
    cowherd.configure(socket={"mode": "0600", "backlog": 11})
    cowherd.start()
    inode = os.stat(cowherd.address()).st_ino
    cowherd.configure(socket={"mode": "0666", "backlog": 22})
    cowherd.write_configuration()
    app.write_text(BROKEN)
    assert cowherd.reload().returncode == 1
    assert stat_of(cowherd.address())[2] == 0o600
    assert cowherd.pool()["listen"][0]["queue_max"] == 11
    app.write_text(X)
    assert cowherd.reload().returncode == 0
    assert stat_of(cowherd.address())[2] == 0o666
    assert cowherd.pool()["listen"][0]["queue_max"] == 22
    assert os.stat(cowherd.address()).st_ino == inode
    assert cowherd.request().text == "x"


def test_settings_change_when_the_new_generation_serves_and_not_before(cowherd):
    cowherd.configure(socket={"mode": "0600"})
    app = cowherd.app(X)
    cowherd.start()
    gate = cowherd.fifo()
    app.write_text('File.open("%s") { |f| f.read }\n%s' % (gate, X))
    cowherd.configure(socket={"mode": "0666"})
    cowherd.write_configuration()
    reload = threading.Thread(target=cowherd.reload)
    reload.start()
    try:
        with gate.wait_reader():
            assert stat_of(cowherd.address())[2] == 0o600
    finally:
        reload.join()
    assert stat_of(cowherd.address())[2] == 0o666


# -- the file


def wait_generations(herd, number):
    """One serves whose number is so high, and none is coming up."""

    def settled():
        pool = herd.pool()
        return pool["generation"] >= number and len(pool["generations"]) == 1 and pool["generation"]

    return herd.wait_until(settled, what=lambda: herd.pool())


@pytest.mark.parametrize("away", [os.unlink, lambda path: os.rename(path, "%s.away" % path)])
def test_a_removed_socket_file_is_bound_anew(cowherd, away):
    """By a new generation, with its mode; nobody has to ask for it."""
    cowherd.configure(socket={"mode": "0640"})
    cowherd.app(X)
    cowherd.start()
    for generation in (2, 3):
        away(cowherd.address())
        wait_generations(cowherd, generation)
        assert cowherd.request().text == "x"
        assert stat_of(cowherd.address())[2] == 0o640
    assert len(cowherd.log_lines("%s was removed: a new generation binds it anew" % cowherd.address())) == 2
    assert len(cowherd.pool()["listen"]) == 1
    assert cowherd.stop() == 0
    assert not os.path.lexists(cowherd.address())


def test_a_removed_socket_file_waits_for_an_app_that_loads(cowherd):
    """A generation that fails is tried again after a pause, or with a reload."""
    app = cowherd.app(X)
    cowherd.start()
    app.write_text(BROKEN)
    os.unlink(cowherd.address())
    cowherd.wait_log("no generation listens any more at %s: a new one is tried in" % cowherd.address())
    assert not os.path.lexists(cowherd.address())
    app.write_text(X)
    wait_generations(cowherd, 3)
    assert cowherd.request().text == "x"
    app.write_text(BROKEN)
    os.unlink(cowherd.address())
    cowherd.wait_until(lambda: len(cowherd.log_lines("no generation listens any more")) >= 2)
    app.write_text(X)
    cowherd.wait_until(lambda: cowherd.reload().returncode == 0)  # (one that was tried before that may fail yet)
    assert cowherd.request().text == "x"
    cowherd.wait_until(lambda: len(cowherd.pool()["listen"]) == 1)


def test_an_address_that_is_named_again_is_bound_anew(cowherd):
    """Its file went when no pool named it any more, while an old worker still had its listener."""
    fifo = cowherd.fifo()
    cowherd.app(HOLD % fifo)
    cowherd.start()
    first, second = cowherd.address(), cowherd.directory / "second.sock"
    with cowherd.connect() as busy:
        held = busy.start(uri="/hold")
        with fifo.wait_reader():
            for address in (second, first):
                cowherd.configure(listen=address)
                cowherd.write_configuration()
                assert cowherd.reload().returncode == 0
                assert cowherd.request().text == "x"
        assert busy.read_response(held).text == "x"
    assert not second.exists()


def test_what_waits_behind_a_removed_socket_file_is_answered(cowherd):
    """A connection that was made before the file was removed belongs to the old generation, which takes it along."""
    fifo = cowherd.fifo()
    cowherd.configure(workers=1)
    cowherd.app(HOLD % fifo)
    cowherd.start()
    with cowherd.connect() as busy, cowherd.connect() as waiting:
        held = busy.start(uri="/hold")
        with fifo.wait_reader():
            response = waiting.start()
            os.unlink(cowherd.address())
            cowherd.wait_until(lambda: cowherd.pool()["generation"] == 2)
            assert cowherd.request().text == "x"
        assert busy.read_response(held).text == "x"
        assert waiting.read_response(response).text == "x"


def test_a_removed_control_socket_is_bound_anew(cowherd):
    """Who waits for an outcome gets it over the old one."""
    fifo = cowherd.fifo()
    app = cowherd.app(X)
    cowherd.start()
    app.write_text('File.open("%s") { |f| f.read }\n%s' % (fifo, X))
    with concurrent.futures.ThreadPoolExecutor(1) as aside:
        reload = aside.submit(cowherd.reload)
        with fifo.wait_reader():
            os.unlink(cowherd.settings["control"])
            cowherd.wait_until(cowherd.try_status)
            assert stat_of(cowherd.settings["control"])[2] == 0o600
        assert reload.result(PATIENCE).returncode == 0
    assert cowherd.stop() == 0
    assert not os.path.lexists(cowherd.settings["control"])


def test_another_s_socket_in_its_place_is_refused_and_left_alone(cowherd):
    cowherd.app(X)
    cowherd.start()
    path = cowherd.address()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind("%s.other" % path)
        other.listen()
        os.rename("%s.other" % path, path)
        cowherd.wait_log("%s: another file has taken the place of the socket" % path)
        result = cowherd.reload()
        assert result.returncode == 1
        assert "%s: another process is listening there" % path in result.stderr
        inode = os.stat(path).st_ino
        assert cowherd.stop() == 0
        assert os.stat(path).st_ino == inode


def test_a_live_socket_is_refused_even_when_its_queue_is_full(cowherd):
    cowherd.app(X)
    with contextlib.ExitStack() as stack:
        other = stack.enter_context(socket.socket(socket.AF_UNIX))
        other.bind(str(cowherd.address()))
        other.listen(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                client = stack.enter_context(socket.socket(socket.AF_UNIX))
                client.setblocking(False)
                client.connect(str(cowherd.address()))
        status, said = cowherd.run_failing()
    assert status == 1
    assert "%s: another process is listening there" % cowherd.address() in said


# -- TCP


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_tcp_in_both_families(cowherd, host):
    if host != "127.0.0.1" and not has_ipv6():
        pytest.skip("there is no IPv6 here")
    address = "%s:%d" % (host, free_port())
    cowherd.configure(listen=address)
    cowherd.app(X)
    cowherd.start()
    assert cowherd.request().text == "x"
    listen = cowherd.pool()["listen"][0]
    assert (listen["address"], listen["queue"]) == (address, 0)
    assert listen["queue_max"] == min(1024, int(open("/proc/sys/net/core/somaxconn").read()))
    # A second instance is refused, and nobody is disturbed.
    other = cowherd.file.read_text()
    for name in ("control.sock", "cowherd.pid", "error.log"):
        other = other.replace(name, name.replace(".", "2."))
    second = cowherd.spawn("run", "-c", cowherd.write("other.yml", other))
    assert second.wait(20) == 1
    assert "%s: another process is listening there" % address in cowherd.stderr()
    assert cowherd.request().text == "x"


# -- the queue


@pytest.mark.parametrize("kind", ["unix", "tcp"])
def test_the_queue_and_busy_workers_are_seen(cowherd, kind):
    fifo = cowherd.fifo()
    cowherd.configure(workers=1, socket={"backlog": 17})
    if kind == "tcp":
        cowherd.configure(listen="127.0.0.1:%d" % free_port())
    cowherd.app(HOLD % fifo)
    cowherd.start()
    assert cowherd.pool()["all_busy"] == 0
    assert "all workers busy" not in cowherd.command("status").stdout
    with contextlib.ExitStack() as stack:
        busy = stack.enter_context(cowherd.connect())
        held = busy.start(uri="/hold")
        with fifo.wait_reader():
            waiting = [stack.enter_context(cowherd.connect()) for _ in range(5)]
            responses = [connection.start() for connection in waiting]
            cowherd.wait_until(lambda: cowherd.pool()["listen"][0]["queue"] == 5, what=lambda: cowherd.pool()["listen"])
            assert cowherd.pool()["listen"][0]["queue_max"] == 17
            cowherd.wait_until(lambda: cowherd.pool()["all_busy"] > 0)
            assert "(5 of 17 waiting, at most 5)" in cowherd.command("status").stdout
        assert busy.read_response(held).text == "x"
        for connection, response in zip(waiting, responses):
            assert connection.read_response(response).text == "x"
    cowherd.wait_until(lambda: cowherd.workers()[0]["state"] == "idle")
    listen = cowherd.pool()["listen"][0]
    assert (listen["queue"], listen["queue_peak"]) == (0, 5)
    text = cowherd.command("status").stdout
    assert "(0 of 17 waiting, at most 5)" in text
    assert "\nall workers busy: %d s\n" % cowherd.pool()["all_busy"] in text


def test_the_peak_is_seen_without_anybody_asking(cowherd):
    fifo = cowherd.fifo()
    cowherd.configure(workers=1)
    cowherd.app(HOLD % fifo)
    cowherd.start()
    with cowherd.connect() as busy:
        held = busy.start(uri="/hold")
        with fifo.wait_reader():
            waiting = cowherd.connect()
            response = waiting.start()
            cowherd.wait_until(lambda: cowherd.pool()["all_busy"] > 0)
        assert busy.read_response(held).text == "x"
        with waiting:
            assert waiting.read_response(response).text == "x"
    assert cowherd.pool()["listen"][0]["queue_peak"] == 1


# -- systemd


def hand_over(cowherd, sockets, names=None, pid=None, **environment):
    """cowherd run as systemd starts it: descriptors from 3 on, LISTEN_PID is its own."""
    cowherd.write_configuration()
    variables = {"LISTEN_FDS": str(len(sockets)), **environment}
    if names is not None:
        variables["LISTEN_FDNAMES"] = names
    numbers = [os.dup(sock.fileno()) for sock in sockets]
    # Out of the way of where they are to be.
    high = [os.dup2(number, 200 + i) for i, number in enumerate(numbers)]
    line = "".join(" %d<&%d %d<&-" % (3 + i, number, number) for i, number in enumerate(high))
    script = 'LISTEN_PID=%s exec "$@" %s' % (pid or "$$", line)
    with open(cowherd._stderr, "ab") as output:
        process = subprocess.Popen(
            ["/bin/bash", "-c", script, "bash", str(cowherd.program), "run", "-c", str(cowherd.file)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd=cowherd.directory,
            env={**ENVIRONMENT, **variables},
            pass_fds=high,
            start_new_session=True,
        )
    for number in numbers + high:
        os.close(number)
    cowherd.sessions.append(process)
    cowherd.process = process
    return process


def unix_listener(path, kind=socket.SOCK_STREAM, listen=True):
    sock = socket.socket(socket.AF_UNIX, kind)
    sock.bind(str(path))
    if listen and kind != socket.SOCK_DGRAM:
        sock.listen(33)
    return sock


def tcp_listener(host="127.0.0.1"):
    sock = socket.create_server((host, 0))
    return sock, "%s:%d" % sock.getsockname()[:2]


def test_sockets_of_systemd_by_name(cowherd):
    path = cowherd.directory / "given.sock"
    with contextlib.ExitStack() as stack:
        unix = stack.enter_context(unix_listener(path))
        tcp, address = tcp_listener()
        stack.enter_context(tcp)
        spare = stack.enter_context(unix_listener(cowherd.directory / "spare.sock"))
        cowherd.configure(listen=["systemd:web", cowherd.directory / "own.sock"], socket={"mode": "0600", "backlog": 5})
        cowherd.app(X)
        before = stat_of(path)
        hand_over(cowherd, [unix, spare, tcp], "web:spare:web")
        cowherd.wait_ready()
        for where in (path, address, cowherd.directory / "own.sock"):
            assert fastcgi.request(where).text == "x"
        listen = cowherd.pool()["listen"]
        assert [item["address"] for item in listen] == ["systemd:web"] * 2 + [str(cowherd.directory / "own.sock")]
        assert [item.get("bound") for item in listen] == [str(path), address, None]
        assert listen[0]["queue_max"] == 33, "the backlog is theirs who opened it"
        assert stat_of(path) == before
        assert "systemd:web = %s" % path in cowherd.command("status").stdout
        assert cowherd.log_lines("no pool listens on systemd:spare")

        # The sockets stay through reloads, also when one of them is not named for a while.
        assert cowherd.reload().returncode == 0
        cowherd.wait_ready(generation=2)
        cowherd.configure(listen=["systemd:spare"])
        cowherd.write_configuration()
        assert cowherd.reload().returncode == 0
        cowherd.wait_ready(generation=3)
        assert fastcgi.request(cowherd.directory / "spare.sock").text == "x"
        cowherd.configure(listen=["systemd:web"])
        cowherd.write_configuration()
        assert cowherd.reload().returncode == 0
        cowherd.wait_ready(generation=4)
        assert fastcgi.request(address).text == "x"
        assert fastcgi.request(path).text == "x"

        # The files are somebody else's.
        assert cowherd.stop() == 0
        assert path.exists() and (cowherd.directory / "spare.sock").exists()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_the_variables_do_not_reach_the_children(cowherd):
    with unix_listener(cowherd.directory / "given.sock") as unix:
        cowherd.configure(listen="systemd:web")
        cowherd.app('run ->(env) { [200, {}, [IO.popen("env") { |io| io.read }]] }')
        hand_over(
            cowherd, [unix], "web", NOTIFY_SOCKET="/nonexistent/x", WATCHDOG_USEC="60000000", WATCHDOG_PID="1", KEPT="1"
        )
        cowherd.wait_ready()
        text = fastcgi.request(cowherd.directory / "given.sock").text
        names = {line.split("=")[0] for line in text.split("\n")}
        assert "KEPT" in names, text
        assert not [name for name in names if name.startswith(("LISTEN_", "NOTIFY_", "WATCHDOG_"))]


def test_no_more_descriptors_reach_the_children_than_their_own(cowherd):
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(unix_listener(cowherd.directory / ("s%d" % i))) for i in range(3)]
        cowherd.configure(listen="systemd:a")
        cowherd.app(X)
        hand_over(cowherd, sockets, "a:b:c")
        cowherd.wait_ready()
        inodes = ["socket:[%d]" % os.fstat(sock.fileno()).st_ino for sock in sockets]
        for worker in cowherd.workers():
            held = set(descriptors(worker["pid"]).values())
            assert [inode in held for inode in inodes] == [True, False, False]


def other_machines(cowherd):
    return tcp_listener("0.0.0.0")[0]


@pytest.mark.parametrize(
    "make,said",
    [
        (lambda c: unix_listener(c.directory / "s", socket.SOCK_DGRAM), "is no stream socket"),
        (lambda c: unix_listener(c.directory / "s", socket.SOCK_SEQPACKET), "is no stream socket"),
        (lambda c: unix_listener(c.directory / "s", listen=False), "does not listen"),
        (lambda c: open("/dev/null", "rb"), "is no socket"),
        (other_machines, "socket.allow has to say which of them may"),
    ],
    ids=["datagram", "seqpacket", "not-listening", "no-socket", "other-machines"],
)
def test_what_is_no_good_is_refused(cowherd, make, said):
    cowherd.configure(listen="systemd:web")
    cowherd.app(X)
    with make(cowherd) as given:
        assert hand_over(cowherd, [given], "web").wait(20) == 1
    assert "systemd:web: " in cowherd.stderr() and said in cowherd.stderr()


def test_an_address_that_other_machines_can_reach_works_with_allow(cowherd):
    cowherd.configure(listen="systemd:web", socket={"allow": ["127.0.0.1"]})
    cowherd.app(X)
    with other_machines(cowherd) as given:
        hand_over(cowherd, [given], "web")
        cowherd.wait_ready()
        assert fastcgi.request("127.0.0.1:%d" % given.getsockname()[1]).text == "x"


def has_ipv6():
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        return True


def answer_to(source, port):
    """What a request from this address of the machine is sent, to the end."""
    said = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        target = ("::1" if ":" in source else "127.0.0.1", port)
        with socket.create_connection(target, PATIENCE, source_address=(source, 0)) as client:
            client.sendall(fastcgi.head() + fastcgi.record(fastcgi.STDIN))
            while more := client.recv(65536):
                said += more
    return said


@pytest.mark.parametrize(
    "host, allow, served, refused",
    [
        ("0.0.0.0", ["127.0.0.1", "127.0.0.128/25"], ["127.0.0.1", "127.0.0.200"], ["127.0.0.2", "127.0.0.127"]),
        ("127.0.0.1", ["192.0.2.0/24", "::1"], [], ["127.0.0.1", "127.0.0.2"]),
        ("[::]", ["10.0.0.0/8", "::/112"], ["::1"], []),
        ("[::]", ["127.0.0.1", "fd00::/8"], [], ["::1"]),
    ],
)
def test_who_is_not_allowed_is_not_answered(cowherd, host, allow, served, refused):
    if "[" in host and not has_ipv6():
        pytest.skip("the machine has no ::1")
    port = free_port()
    cowherd.configure(listen=[cowherd.address(), "%s:%d" % (host, port)], socket={"allow": allow})
    cowherd.app(X)
    cowherd.start()
    for source in served:
        assert b"Status: 200" in answer_to(source, port), source
    for source in refused:
        assert answer_to(source, port) == b"", source
    cowherd.wait_ledger(completed=len(served))
    assert cowherd.request().text == "x", "through the unix socket"


@pytest.mark.parametrize(
    "pid,names,said",
    [
        (None, "other:more", "there is other, more"),
        (None, None, "there is unknown, unknown"),
        ("1", "web:web", "LISTEN_PID is 1: the sockets of systemd are meant for another process"),
    ],
    ids=["other-names", "no-names", "another-process"],
)
def test_a_name_that_was_not_handed_over_fails_the_start(cowherd, pid, names, said):
    cowherd.configure(listen="systemd:web")
    cowherd.app(X)
    with unix_listener(cowherd.directory / "a") as one, unix_listener(cowherd.directory / "b") as two:
        assert hand_over(cowherd, [one, two], names, pid).wait(20) == 1
    assert "systemd:web: systemd has handed over no socket of that name" in cowherd.stderr()
    assert said in cowherd.stderr()


@pytest.mark.parametrize("listen", ["systemd:web", "starter:9000"])
def test_without_anything_handed_over_the_start_fails(cowherd, listen):
    cowherd.configure(listen=listen)
    cowherd.app(X)
    status, said = cowherd.run_failing()
    assert status == 1
    assert "is not set" in said and listen in said


@pytest.mark.skipif(not shutil.which("systemd-socket-activate"), reason="there is no systemd-socket-activate here")
def test_under_systemd_socket_activate(cowherd):
    """systemd's own starter for tests: it waits for the first connection, and hands that over unaccepted."""
    cowherd.configure(listen="systemd:web")
    cowherd.app(X)
    cowherd.write_configuration()
    path = cowherd.directory / "activated.sock"
    program = cowherd.program
    try:
        cowherd.program = "systemd-socket-activate"
        # (Of the environment it hands on what it is told to.)
        options = ["--listen", path, "--fdname", "web", "--setenv", "ASAN_OPTIONS=" + ENVIRONMENT["ASAN_OPTIONS"]]
        cowherd.process = cowherd.spawn(*options, program, "run", "-c", cowherd.file)
    finally:
        cowherd.program = program

    def attempt():
        with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):  # it doesn't listen yet
            return fastcgi.request(path).text

    assert wait_until(attempt) == "x"
    assert cowherd.status()["supervisor"]["pid"] == cowherd.process.pid


def test_a_stop_leaves_what_waits_to_who_listens_next(cowherd):
    """The socket outlives cowherd: what is in its queue is for the next one."""
    fifo = cowherd.fifo()
    cowherd.configure(listen="systemd:web", workers=1)
    app = cowherd.app(HOLD % fifo)
    path = cowherd.directory / "given.sock"
    with unix_listener(path) as given:
        hand_over(cowherd, [given], "web")
        cowherd.wait_ready()
        with fastcgi.Connection(path) as busy:
            held = busy.start(uri="/hold")
            with fifo.wait_reader():
                waiting = fastcgi.Connection(path)
                response = waiting.start()
                cowherd.signal(signal.SIGTERM)
                cowherd.wait_log("web", "stops when")
            assert busy.read_response(held).text == "x"
            assert cowherd.process.wait(20) == 0
            app.write_text('run ->(env) { [200, {}, ["the next one"]] }')
            hand_over(cowherd, [given], "web")
            with waiting:
                assert waiting.read_response(response).text == "the next one"


def test_connections_of_a_crashed_worker_go_on_whichever_socket_they_came_by(cowherd):
    """One name can stand for several."""
    cowherd.deaths_expected = True
    path = cowherd.directory / "given.sock"
    tcp, address = tcp_listener()
    with unix_listener(path) as unix, tcp:
        cowherd.configure(listen="systemd:web", workers=1)
        cowherd.app(WHOAMI)
        hand_over(cowherd, [unix, tcp], "web:web")
        cowherd.wait_ready()
        (pid,) = cowherd.worker_pids()
        with fastcgi.Connection(path) as first, fastcgi.Connection(address) as second:
            cowherd.wait_until(lambda: cowherd.workers()[0]["connections"] == 2)
            os.kill(pid, signal.SIGABRT)
            assert int(first.request().text) != pid
            assert int(second.request().text) != pid
        assert cowherd.stop() == 0


def test_a_worker_whose_supervisor_is_gone_takes_nothing_from_who_comes_next(cowherd):
    """It learns so in a request, and stays for what it has received half of: whoever listens then is woken."""
    path = cowherd.directory / "given.sock"
    gate = cowherd.fifo()
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(unix_listener(path))
        cowherd.configure(listen="systemd:web", workers=1)
        cowherd.app(HOLD % gate)
        hand_over(cowherd, [listener], "web")
        cowherd.wait_ready()
        (pid,) = cowherd.worker_pids()
        half, slow = stack.enter_context(fastcgi.Connection(path)), stack.enter_context(fastcgi.Connection(path))
        half.send(fastcgi.head(method="POST", body_length=4))
        response = slow.start(uri="/hold")
        with gate.wait_reader():
            cowherd.process.kill()
            cowherd.process.wait()
        slow.read_response(response)
        wait_until(lambda: process_title(pid).endswith("(draining)") and process_stat(pid)[0] == "S")
        with select.epoll() as next_one:
            next_one.register(listener, select.EPOLLIN | select.EPOLLEXCLUSIVE)
            stack.enter_context(fastcgi.Connection(path))
            assert next_one.poll(0) != []
        half.send(fastcgi.stream(fastcgi.STDIN, b"body"))
        assert half.read_response(fastcgi.Response()).status == 200
        wait_until(lambda: not process_alive(pid))


def test_reloads_under_load_on_a_socket_of_systemd(cowherd):
    path = cowherd.directory / "web.sock"
    cowherd.app(X)
    with unix_listener(path) as given:
        cowherd.configure(listen="systemd:web")
        hand_over(cowherd, [given], "web")
        cowherd.wait_ready()
        cowherd.address = lambda pool="web": path
        with Load(cowherd) as load:
            for _ in range(5):
                load.wait_answers(20)
                assert cowherd.reload().returncode == 0
            load.wait_answers(20)
        assert not load.failures and not load.refused
