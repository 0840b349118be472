"""Death and respawn, stop, reload: nobody's request is lost."""

import contextlib
import os
import re
import signal
import socket
import time

import pytest

import fastcgi
from herd import (
    HELD,
    PATIENCE,
    Load,
    descriptors,
    free_port,
    plain_program,
    process_alive,
    process_title,
    session_processes,
    wait_until,
)

HOLDING = HELD + 'run ->(env) { [200, {}, env["PATH_INFO"] == "/hold" ? Held.new("%s") : ["not held"]] }'


def version(text, pool=""):
    return 'run ->(env) { [200, {}, ["%s"]] }' % text


def nobody_listens(address):
    try:
        fastcgi.Connection(address).close()
    except ConnectionRefusedError:
        return True
    return False


def sockets_and_pid_file_gone(herd):
    names = ["cowherd.pid", "control.sock"] + [name + ".sock" for name in herd.pools]
    return [name for name in names if os.path.lexists(herd.directory / name)]


# -- processes


@plain_program("command lines are its own")
def test_the_processes_are_the_ones_of_the_design(cowherd):
    cowherd.app(version("x"))
    cowherd.start()
    status = cowherd.status()
    pool = status["pools"][0]
    assert status["supervisor"]["pid"] == cowherd.process.pid
    assert int((cowherd.directory / "cowherd.pid").read_text()) == cowherd.process.pid
    everyone = {cowherd.process.pid, pool["mold"]["pid"]} | {worker["pid"] for worker in pool["workers"]}
    assert set(session_processes(cowherd.process.pid)) == everyone
    for pid in everyone - {cowherd.process.pid}:
        text = open("/proc/%d/stat" % pid).read()
        assert int(text.rpartition(")")[2].split()[1]) == cowherd.process.pid, "a child of the supervisor"
    assert process_title(pool["mold"]["pid"]).startswith("cowherd: web gen 1 mold")
    for worker in pool["workers"]:
        wait_until(lambda: process_title(worker["pid"]) == "cowherd: web gen 1 worker %d (idle)" % worker["slot"])
    assert "libmruby" not in open("/proc/%d/maps" % cowherd.process.pid).read()


def test_the_children_inherit_no_descriptor_they_have_no_use_for(cowherd):
    """Another pool's listener, the control socket or the supervisor's end of a channel would outlive its owner."""
    cowherd.app(version("x"))
    cowherd.app(version("y"), pool="other")
    cowherd.start()
    held = {}
    for pool in cowherd.status()["pools"]:
        for worker in pool["workers"]:
            links = [link for link in descriptors(worker["pid"]).values() if "/valgrind/" not in link]  # its logs
            held[worker["pid"]] = {link for link in links if link.startswith("socket:")}
            assert not [link for link in links if "cowherd.pid" in link], links
            assert len(links) < 24, links
    web, other = ({w["pid"] for w in pool["workers"]} for pool in cowherd.status()["pools"])
    for pid in web:
        for stranger in other:
            assert not held[pid] & held[stranger], "a socket in common between pools"


# -- death


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGABRT])
def test_a_worker_that_dies_is_buried_and_replaced(cowherd, number):
    cowherd.deaths_expected = True
    cowherd.app(version("x"), host="a.test")
    cowherd.start()
    cowherd.request(host="a.test")
    cowherd.wait_until(lambda: all(worker["state"] == "idle" for worker in cowherd.workers()))
    victim = cowherd.workers()[0]
    os.kill(victim["pid"], number)
    cowherd.wait_until(lambda: victim["pid"] not in cowherd.worker_pids())
    status = cowherd.wait_ready(generation=1)
    assert len(status["pools"][0]["workers"]) == 2
    assert not process_alive(victim["pid"])
    for _ in range(10):
        assert cowherd.request(host="a.test").text == "x"
    line = cowherd.wait_log("pid %d" % victim["pid"], "ended")[0]
    assert "signal %d (%s)" % (number, number.name) in line
    assert re.search(r"after [0-9.]+ s and \d+ requests", line)
    assert "serving" not in line


def test_the_obituary_says_what_a_worker_was_serving(cowherd):
    cowherd.deaths_expected = True
    fifo = cowherd.fifo()
    cowherd.app(HOLDING % fifo, host="a.test")
    cowherd.start()
    with cowherd.connect() as connection:
        connection.start(method="POST", uri="/hold?secret", host="a.test")
        with fifo.wait_reader():
            busy = cowherd.wait_until(lambda: [w for w in cowherd.workers() if w["state"] == "busy"])
            assert busy[0]["app"] == "a.test/"
            os.kill(busy[0]["pid"], signal.SIGKILL)
            line = cowherd.wait_log("pid %d" % busy[0]["pid"], "ended", "SIGKILL")[0]
            assert "serving POST" in line and "/hold" in line and "app a.test/" in line
    cowherd.wait_ready()
    assert cowherd.request(host="a.test").status == 200
    cowherd.wait_until(lambda: cowherd.ledger()["lost"] == 1, what=lambda: cowherd.ledger())


def test_other_workers_serve_while_one_is_replaced(cowherd):
    cowherd.deaths_expected = True
    cowherd.configure(workers=3)
    cowherd.app(version("x"))
    cowherd.start()
    for _ in range(5):
        victim = cowherd.wait_ready()["pools"][0]["workers"][0]["pid"]
        os.kill(victim, signal.SIGKILL)
        for _ in range(5):
            assert cowherd.request().text == "x"
        cowherd.wait_until(lambda: victim not in cowherd.worker_pids())


def test_workers_are_replaced_when_all_die_at_once(cowherd):
    cowherd.deaths_expected = True
    cowherd.app(version("x"))
    cowherd.start()
    pids = cowherd.worker_pids()
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    assert cowherd.request().text == "x"
    cowherd.wait_until(lambda: not pids & cowherd.worker_pids() and len(cowherd.worker_pids()) == 2)


def test_a_mold_that_dies_leaves_the_workers_serving(cowherd):
    cowherd.deaths_expected = True
    cowherd.app(version("x"))
    cowherd.start()
    mold = cowherd.pool()["mold"]["pid"]
    os.kill(mold, signal.SIGKILL)
    cowherd.wait_log("mold", "pid %d" % mold, "SIGKILL")
    assert cowherd.request().text == "x"
    # (A new generation may be on its way in, and that one on its way out.)
    victim = min(cowherd.wait_until(cowherd.worker_pids))
    with contextlib.suppress(ProcessLookupError):
        os.kill(victim, signal.SIGKILL)
    cowherd.wait_until(lambda: victim not in cowherd.worker_pids())
    cowherd.wait_until(lambda: [w["state"] for w in cowherd.workers()] == ["idle", "idle"])
    assert cowherd.request().text == "x"


# -- stop


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGQUIT])
def test_a_graceful_stop_finishes_the_running_request(cowherd, number):
    fifo = cowherd.fifo()
    cowherd.app(HOLDING % fifo)
    cowherd.start()
    pids = cowherd.worker_pids()
    with cowherd.connect() as connection:
        response = connection.start(uri="/hold")
        with fifo.wait_reader():
            connection.read_until(response, lambda r: r.body == b"begun,")
            cowherd.signal(number)
            wait_until(lambda: len([pid for pid in pids if process_alive(pid)]) == 1,
                       what="the idle worker has left, the busy one stays")
        connection.read_response(response)
        assert response.body == b"begun,done"
    assert cowherd.process.wait(PATIENCE) == 0
    assert sockets_and_pid_file_gone(cowherd) == []
    assert session_processes(cowherd.process.pid) == {}


def test_a_graceful_stop_of_an_idle_pool_is_quick_and_leaves_nothing(cowherd):
    cowherd.app(version("x"))
    cowherd.start()
    with cowherd.client() as client:
        client.request()
        assert cowherd.stop() == 0, "an idle kept connection does not delay a stop"
    assert sockets_and_pid_file_gone(cowherd) == []


def test_a_graceful_stop_does_not_wait_for_half_requests(cowherd):
    cowherd.configure(timeouts={"header": "60s", "body": "60s"})
    cowherd.app(version("x"))
    cowherd.start()
    request = fastcgi.head(method="POST", body_length=10)
    with contextlib.ExitStack() as stack:
        for sent in (b"", request[:8], request[:-1]):
            for _ in range(10):
                stack.enter_context(cowherd.connect()).send(sent)
        cowherd.request()
        assert cowherd.stop() == 0, "within its patience"


def test_a_graceful_stop_ends_after_the_drain_timeout(cowherd):
    cowherd.deaths_expected = True
    fifo = cowherd.fifo()
    cowherd.configure(timeouts={"request": "1s", "hard": "1s"}, restart={"drain_timeout": "1s"})
    cowherd.app(HOLDING % fifo)
    cowherd.start()
    with cowherd.connect() as connection:
        connection.start(uri="/hold")
        with fifo.wait_reader():
            cowherd.signal(signal.SIGTERM)
            cowherd.process.wait(PATIENCE)
    assert sockets_and_pid_file_gone(cowherd) == []
    wait_until(lambda: not session_processes(cowherd.process.pid))


def test_int_stops_now(cowherd):
    cowherd.deaths_expected = True
    fifo = cowherd.fifo()
    cowherd.app(HOLDING % fifo)
    cowherd.start()
    with cowherd.connect() as connection:
        connection.start(uri="/hold")
        with fifo.wait_reader():
            cowherd.signal(signal.SIGINT)
            cowherd.process.wait(PATIENCE)
    assert sockets_and_pid_file_gone(cowherd) == []
    wait_until(lambda: not session_processes(cowherd.process.pid))


def test_the_stop_command_returns_when_everything_has_left(cowherd):
    cowherd.app(version("x"))
    cowherd.start()
    result = cowherd.command("stop")
    assert result.returncode == 0, result.stderr
    cowherd.process.wait(PATIENCE)
    assert sockets_and_pid_file_gone(cowherd) == []
    assert session_processes(cowherd.process.pid) == {}
    assert cowherd.command("stop").returncode == 1


@pytest.mark.parametrize("keep", [False, True], ids=["new-connections", "kept-connections"])
def test_a_stop_under_load_answers_whatever_was_accepted(cowherd, keep):
    access = cowherd.directory / "access.log"
    cowherd.settings["log"]["access"] = {"path": access, "format": "common"}
    cowherd.app(version("x" * 20000))
    cowherd.start()
    with Load(cowherd, threads=6, keep=keep, check=lambda r: r.status == 200 and r.size == 20000) as load:
        load.wait_answers(300)
        assert cowherd.stop() == 0
    assert load.failures == []
    answered = access.read_text().count('" 200 ')
    assert answered == len(load.answers), "accepted is answered, and not answered is not accepted"


def test_the_workers_leave_when_the_supervisor_is_killed(cowherd):
    cowherd.app(version("x"))
    cowherd.app(version("x"), pool="second")
    cowherd.start()
    cowherd.process.kill()
    cowherd.process.wait()
    wait_until(
        lambda: not session_processes(cowherd.process.pid), what=lambda: session_processes(cowherd.process.pid)
    )


def test_a_request_in_hand_is_finished_when_the_supervisor_is_killed(cowherd):
    fifo = cowherd.fifo()
    cowherd.app(HOLDING % fifo)
    cowherd.start()
    with cowherd.connect() as connection:
        response = connection.start(uri="/hold")
        with fifo.wait_reader():
            connection.read_until(response, lambda r: r.body == b"begun,")
            cowherd.process.kill()
            cowherd.process.wait()
            wait_until(lambda: len(session_processes(cowherd.process.pid)) == 1)
        connection.read_response(response)
    assert response.body == b"begun,done"
    wait_until(lambda: not session_processes(cowherd.process.pid))


def test_it_starts_again_after_the_supervisor_was_killed(cowherd):
    cowherd.app(version("x"))
    cowherd.start()
    first = cowherd.process
    first.kill()
    first.wait()
    wait_until(lambda: not session_processes(first.pid))
    cowherd.start()
    assert cowherd.request().text == "x"
    assert cowherd.status()["supervisor"]["pid"] == cowherd.process.pid


# -- sockets and files


def test_a_second_instance_is_refused_and_the_first_undisturbed(cowherd):
    cowherd.app(version("x"))
    cowherd.start()
    pids = cowherd.worker_pids()
    second = cowherd.spawn("run", "-c", cowherd.file)
    assert second.wait(PATIENCE) == 1
    assert cowherd.stderr().strip()
    assert cowherd.worker_pids() == pids
    assert cowherd.request().text == "x"
    assert int((cowherd.directory / "cowherd.pid").read_text()) == cowherd.process.pid


def test_a_second_instance_on_the_same_listener_alone_is_refused(cowherd):
    cowherd.app(version("x"))
    cowherd.start()
    other = cowherd.file.read_text()
    for name in ("control.sock", "cowherd.pid", "error.log"):
        other = other.replace(name, name.replace(".", "2."))
    path = cowherd.write("other.yml", other)
    second = cowherd.spawn("run", "-c", path)
    assert second.wait(PATIENCE) == 1
    assert cowherd.request().text == "x"
    assert not (cowherd.directory / "control2.sock").exists() and not (cowherd.directory / "cowherd2.pid").exists()


@pytest.mark.parametrize("name", ["web.sock", "control.sock"])
def test_a_stale_socket_file_is_replaced(cowherd, name):
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(cowherd.directory / name))
    cowherd.app(version("x"))
    cowherd.start()
    assert cowherd.request().text == "x"


@pytest.mark.parametrize("name", ["web.sock", "control.sock"])
def test_a_file_that_is_no_socket_is_never_replaced(cowherd, name):
    path = cowherd.write(name, "precious")
    cowherd.app(version("x"))
    status, said = cowherd.run_failing()
    assert status == 1
    assert str(path) in said + cowherd.log()
    assert path.read_text() == "precious"


def test_a_stale_pid_file_is_replaced(cowherd):
    cowherd.write("cowherd.pid", "%d\n" % os.getpid())  # the number has gone to somebody else
    cowherd.app(version("x"))
    cowherd.start()
    assert cowherd.request().text == "x"


def test_a_tcp_port_in_use_fails_the_start_and_is_named(cowherd):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        address = "127.0.0.1:%d" % sock.getsockname()[1]
        cowherd.configure(listen=address)
        cowherd.app(version("x"))
        status, said = cowherd.run_failing()
    assert status == 1
    assert address in said + cowherd.log()


def test_the_socket_has_the_mode_of_the_configuration(cowherd):
    cowherd.configure(socket={"mode": "0600"})
    cowherd.app(version("x"))
    cowherd.app(version("x"), pool="usual")
    cowherd.start()
    assert (cowherd.directory / "web.sock").stat().st_mode & 0o777 == 0o600
    assert (cowherd.directory / "usual.sock").stat().st_mode & 0o777 == 0o660


# -- reload


def test_a_reload_brings_new_code_in_new_processes(cowherd):
    path = cowherd.app(version("old"))
    cowherd.start()
    pids, mold = cowherd.worker_pids(), cowherd.pool()["mold"]["pid"]
    path.write_text(version("new"))
    assert cowherd.request().text == "old"
    result = cowherd.reload()
    assert result.returncode == 0, result.stderr
    assert cowherd.pool()["generation"] == 2, "as soon as the command returns"
    cowherd.wait_generation(2)
    for _ in range(10):
        assert cowherd.request().text == "new"
    cowherd.wait_ready(generation=2)
    assert not pids & cowherd.worker_pids()
    wait_until(lambda: not any(process_alive(pid) for pid in pids | {mold}))
    wait_until(lambda: len(session_processes(cowherd.process.pid)) == 4)


def test_hup_reloads(cowherd):
    path = cowherd.app(version("old"))
    cowherd.start()
    path.write_text(version("new"))
    cowherd.signal(signal.SIGHUP)
    cowherd.wait_ready(generation=2)
    assert cowherd.request().text == "new"


def test_one_pool_can_be_reloaded_alone(cowherd):
    path = cowherd.app(version("old"))
    other = cowherd.app(version("other"), pool="other")
    cowherd.start()
    pids = cowherd.worker_pids("other")
    path.write_text(version("new"))
    other.write_text(version("other new"))
    assert cowherd.reload("web").returncode == 0
    cowherd.wait_generation(2)
    assert cowherd.request().text == "new"
    assert cowherd.request(pool="other").text == "other"
    assert cowherd.worker_pids("other") == pids
    assert cowherd.reload("nosuch").returncode in (1, 2)


@pytest.mark.parametrize("keep", [False, True], ids=["new-connections", "kept-connections"])
def test_reloads_under_load_fail_no_request(cowherd, keep):
    path = cowherd.app(version("generation 1"))
    cowherd.start()
    pids = cowherd.worker_pids()
    finished = []
    with Load(cowherd, keep=keep, check=lambda r: r.status == 200 and r.body.startswith(b"generation ")) as load:
        load.wait_answers(200)
        for number in (2, 3, 4):
            path.write_text(version("generation %d" % number))
            result = cowherd.reload()
            assert result.returncode == 0, result.stderr
            cowherd.wait_until(lambda: {w["generation"] for w in cowherd.workers()} == {number})
            finished.append((time.monotonic(), number))
            load.wait_answers(200)
        cowherd.wait_ready(generation=4)
        assert not pids & cowherd.worker_pids()
        pids = cowherd.worker_pids()
    assert (load.failures, load.refused) == ([], [])
    assert {body for _, body in load.answers} == {b"generation %d" % n for n in (1, 2, 3, 4)}
    if not keep:
        for moment, number in finished:
            late = [body for started, body in load.answers if started > moment and int(body.split()[1]) < number]
            assert late == [], "nobody of an older generation answers any more"


def test_a_running_request_ends_in_the_generation_it_began_in(cowherd):
    fifo = cowherd.fifo()
    path = cowherd.app(HOLDING % fifo)
    cowherd.start()
    with cowherd.connect() as connection:
        response = connection.start(uri="/hold")
        with fifo.wait_reader():
            connection.read_until(response, lambda r: r.body == b"begun,")
            path.write_text(version("new"))
            assert cowherd.reload().returncode == 0
            cowherd.wait_generation(2)
            assert cowherd.request().text == "new"
            cowherd.wait_until(lambda: sorted(w["generation"] for w in cowherd.workers()) == [1, 2, 2])
        connection.read_response(response)
    assert response.body == b"begun,done"
    cowherd.wait_until(lambda: {w["generation"] for w in cowherd.workers()} == {2})


def test_a_worker_that_has_much_to_read_is_told_to_go_all_the_same(cowherd):
    """There is no room in its channel for the order, at first."""
    fifo = cowherd.fifo()
    cowherd.configure(workers=1)
    cowherd.app(HOLDING % fifo)
    cowherd.start()
    with cowherd.connect() as connection:
        response = connection.start(uri="/hold", keep=True)
        with fifo.wait_reader():
            cowherd.fill_channels()
            assert cowherd.reload().returncode == 0
        connection.read_response(response)
        assert connection.wait_closed() == []
    cowherd.wait_log("generation 1 is gone")
    assert cowherd.ledger()["lost"] == 0


def test_a_bad_configuration_at_hup_is_named_in_the_log_and_the_old_goes_on(cowherd):
    cowherd.app(version("x"))
    cowherd.start()
    pids = cowherd.worker_pids()
    good = cowherd.file.read_text()
    lines = good.split("\n")
    bad = good.replace("workers: 2", "workerz: 2")
    line = 1 + next(n for n, text in enumerate(lines) if "workers: 2" in text)
    column = 1 + lines[line - 1].index("workers")
    cowherd.file.write_text(bad)
    cowherd.signal(signal.SIGHUP)
    said = cowherd.wait_log("%s:%d:%d:" % (cowherd.file, line, column))[0]
    assert "workerz" in said and "workers" in said
    assert cowherd.worker_pids() == pids
    assert cowherd.request().text == "x"
    result = cowherd.reload()
    assert result.returncode in (1, 2)
    assert "%s:%d:%d:" % (cowherd.file, line, column) in result.stderr
    cowherd.file.write_text(good)
    assert cowherd.reload().returncode == 0
    cowherd.wait_until(lambda: not pids & cowherd.worker_pids())


@pytest.mark.parametrize("text", ["", "pools: [", "pools: {web: {}}", "a: b: c", "\tpools: 1", "pools: *x", "\xff\xfe"])
def test_a_configuration_that_is_none_never_touches_what_runs(cowherd, text):
    cowherd.app(version("x"))
    cowherd.start()
    pids = cowherd.worker_pids()
    cowherd.file.write_bytes(text.encode("latin-1"))
    control = cowherd.directory / "control.sock"
    result = cowherd.command("reload", "-s", control, file=False)
    assert result.returncode != 0
    assert str(cowherd.file) in result.stderr
    assert cowherd.request().text == "x"
    cowherd.write_configuration()
    assert cowherd.worker_pids() == pids


def test_pools_and_listeners_come_and_go_with_a_reload(cowherd):
    cowherd.app(version("first"))
    cowherd.start()
    first = cowherd.worker_pids()

    cowherd.app(version("second"), pool="second")
    cowherd.write_configuration()
    assert cowherd.reload().returncode == 0
    cowherd.wait_ready()
    assert (cowherd.request().text, cowherd.request(pool="second").text) == ("first", "second")

    old = cowherd.address("second")
    cowherd.configure("second", listen="127.0.0.1:%d" % free_port())
    cowherd.write_configuration()
    assert cowherd.reload().returncode == 0
    cowherd.wait_ready()
    assert cowherd.request(pool="second").text == "second"
    cowherd.wait_until(lambda: not old.exists(), what="the old socket is gone")

    gone = cowherd.worker_pids("second")
    address = cowherd.address("second")
    del cowherd.pools["second"]
    cowherd.write_configuration()
    assert cowherd.reload().returncode == 0
    cowherd.wait_ready()
    wait_until(lambda: not any(process_alive(pid) for pid in gone | first))
    wait_until(lambda: nobody_listens(address))
    assert cowherd.request().text == "first"
    wait_until(lambda: len(session_processes(cowherd.process.pid)) == 4)


def test_the_number_of_workers_changes_with_a_reload(cowherd):
    cowherd.app(version("x"))
    cowherd.start()
    for count in (4, 1):
        cowherd.configure(workers=count)
        cowherd.write_configuration()
        assert cowherd.reload().returncode == 0
        cowherd.wait_ready()
        wait_until(lambda: len(session_processes(cowherd.process.pid)) == count + 2)


def test_a_listener_that_cannot_be_bound_fails_the_reload_and_the_old_goes_on(cowherd):
    cowherd.app(version("x"))
    cowherd.start()
    pids, before = cowherd.worker_pids(), cowherd.address()
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        address = "127.0.0.1:%d" % sock.getsockname()[1]
        cowherd.configure(listen=address)
        cowherd.write_configuration()
        result = cowherd.reload()
    assert result.returncode == 1
    assert address in result.stderr
    assert fastcgi.request(before).text == "x"
    assert cowherd.worker_pids() == pids


def test_many_reloads_leave_no_process_and_no_descriptor_behind(cowherd):
    cowherd.app(version("x"))
    cowherd.start()
    cowherd.reload()
    cowherd.wait_ready(generation=2)
    wait_until(lambda: len(session_processes(cowherd.process.pid)) == 4)

    def count():
        return len(os.listdir("/proc/%d/fd" % cowherd.process.pid))

    wait_until(lambda: cowherd.pool()["workers"] and len(cowherd.pool()["generations"]) >= 1)
    before = count()
    for number in range(3, 9):
        assert cowherd.reload().returncode == 0
    cowherd.wait_ready(generation=8)
    wait_until(lambda: len(session_processes(cowherd.process.pid)) == 4)
    wait_until(lambda: count() <= before, what=lambda: "%d descriptors, %d before" % (count(), before))
