"""USR2 and `cowherd upgrade`: another program takes the supervisor's place, and nobody notices."""

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from random import Random

import pytest

import fastcgi
from herd import (
    BUILD,
    WHOAMI,
    Load,
    descriptors,
    free_port,
    plain_memory,
    process_alive,
    process_stat,
    process_title,
    wait_until,
)
from test_sockets import hand_over, unix_listener

FORMAT = b"cowherd-state 1"


@pytest.fixture
def installed(cowherd):
    """A Herd whose programs are copies that a test can replace."""
    folder = cowherd.directory / "sbin"
    folder.mkdir()
    for name in ("cowherd", "cowherd-mold"):
        shutil.copy2(BUILD / name, folder / name)
    cowherd.program = folder / "cowherd"
    cowherd.app(WHOAMI)
    return cowherd


def install(herd, content=None):
    """Replaces the program as packages do: a new file under the old name."""
    place = herd.directory / "sbin" / "cowherd"
    new = place.with_suffix(".new")
    if content is None:
        shutil.copy2(BUILD / "cowherd", new)
    else:
        new.write_bytes(content if isinstance(content, bytes) else content.encode())
        new.chmod(0o755)
    new.rename(place)


def put_back(herd):
    """Commands of the operator come from a program that works."""
    herd.program = BUILD / "cowherd"


def upgrade(herd):
    return herd.command("upgrade")


def wait_taken_over(herd, times=1):
    wait_until(lambda: len(herd.log_lines("has taken over")) >= times, what="taken over %d times" % times)


def facts(herd, name="web"):
    """What an upgrade leaves as it is."""
    pool = herd.pool(name)
    return {
        "supervisor": herd.status()["supervisor"]["pid"],
        "workers": herd.worker_pids(name),
        "mold": pool["mold"]["pid"],
        "generation": pool["generation"],
        "ledger": pool["ledger"],
    }


def processes(condition):
    numbers = [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
    return [number for number in numbers if condition(process_stat(number) or ("", 0, 0, 0))]


def zombies_of(parent):
    return processes(lambda stat: stat[0] == "Z" and stat[1] == parent)


def processes_of_group(group):
    return processes(lambda stat: stat[2] == group)


def test_same_processes_and_counters(installed):
    """Also the counts of workers that are gone, in a pool on TCP, beside another pool."""
    installed.configure(listen="127.0.0.1:%d" % free_port())
    installed.app(WHOAMI, pool="other")
    installed.start()
    for _ in range(5):
        assert installed.request().status == 200
    assert installed.reload("web").returncode == 0
    installed.wait_log("web: generation 1 is gone")
    for _ in range(2):
        assert installed.request().status == 200
        assert installed.request(pool="other").status == 200
    wait_until(lambda: installed.ledger()["completed"] == 7 and installed.ledger("other")["completed"] == 2)
    before, other = facts(installed), facts(installed, "other")
    inode = os.stat("/proc/%d/exe" % installed.process.pid).st_ino
    install(installed)
    result = upgrade(installed)
    assert (result.returncode, result.stderr) == (0, "")
    assert "has taken over" in result.stdout
    assert facts(installed) == before and facts(installed, "other") == other
    assert os.stat("/proc/%d/exe" % installed.process.pid).st_ino != inode
    assert (installed.directory / "cowherd.pid").read_text() == "%d\n" % installed.process.pid
    assert process_title(installed.process.pid) == "%s run -c %s" % (installed.program, installed.file)
    assert installed.request().status == 200
    wait_until(lambda: installed.ledger()["completed"] == 8)


def test_under_load_again_and_again(installed):
    installed.configure(workers=3).start()
    before = facts(installed)
    with Load(installed) as load:
        for times in range(1, 6):
            load.wait_answers(30)
            install(installed)
            installed.signal(signal.SIGUSR2)
            wait_taken_over(installed, times)
        load.wait_answers(30)
    assert (load.failures, load.refused) == ([], [])
    after = facts(installed)
    ledger = after.pop("ledger")
    before.pop("ledger")
    assert after == before
    wait_until(lambda: installed.ledger()["completed"] == len(load.answers))
    assert ledger["lost"] == 0


def test_what_a_supervisor_does_it_does_after(installed):
    installed.configure(recycle={"requests": 20, "jitter": "0%"}).start()
    install(installed)
    assert upgrade(installed).returncode == 0
    with Load(installed, threads=2) as load:
        load.wait_answers(100)
        assert installed.reload().returncode == 0
        load.wait_answers(100)
        installed.signal(signal.SIGHUP)
        installed.wait_generation(3)
    assert (load.failures, load.refused) == ([], [])
    installed.deaths_expected = True
    victim = sorted(installed.worker_pids())[0]
    with contextlib.suppress(ProcessLookupError):  # it has left by itself
        os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in installed.worker_pids() and len(installed.worker_pids()) >= 2)
    wait_until(lambda: zombies_of(installed.process.pid) == [])
    assert installed.command("reopen").returncode == 0
    assert installed.command("stop").returncode == 0
    assert installed.process.wait(20) == 0
    assert not (installed.directory / "cowherd.pid").exists()
    assert not (installed.directory / "web.sock").exists()
    assert not (installed.directory / "control.sock").exists()


def test_program_behind_a_link(installed):
    """Versions side by side, and a link that says which: the upgrade goes where the link leads now."""
    folders = [installed.directory / "v1", installed.directory / "v2"]
    (installed.directory / "sbin").rename(folders[0])
    shutil.copytree(folders[0], folders[1])
    link = installed.directory / "current"
    link.symlink_to("v1")
    installed.program = link / "cowherd"
    installed.start()
    link.unlink()
    link.symlink_to("v2")
    assert upgrade(installed).returncode == 0
    assert os.readlink("/proc/%d/exe" % installed.process.pid) == str(folders[1] / "cowherd")
    assert installed.reload().returncode == 0
    assert os.readlink("/proc/%d/exe" % installed.pool()["mold"]["pid"]) == str(folders[1] / "cowherd-mold")


def test_term_ends_it_after_an_upgrade(installed):
    installed.start()
    assert upgrade(installed).returncode == 0
    assert installed.stop() == 0
    assert "has taken over" in installed.log()


def test_no_descriptor_more_with_each_upgrade(installed):
    installed.start()

    def held():
        return str(sorted(link.split(":")[0] for link in descriptors(installed.process.pid).values()))

    path = "/proc/%d/fd" % installed.process.pid
    for _ in range(2):
        assert upgrade(installed).returncode == 0
    count = len(os.listdir(path))
    for _ in range(4):
        assert upgrade(installed).returncode == 0
    # The connection of whoever asked may be open still, or have been when they were counted.
    installed.wait_until(lambda: len(os.listdir(path)) <= count + 1, what=held)
    # A child of the supervisor inherits what it is meant to, and nothing else.
    flags = subprocess.run(["grep", "-h", "flags", "-r", "/proc/%d/fdinfo" % installed.process.pid], capture_output=True)
    open_on_exec = [line for line in flags.stdout.decode().split("\n") if line and not int(line.split()[1], 8) & 0o2000000]
    assert len(open_on_exec) == 3  # the standard ones


BROKEN = {
    "leaves with 1": "#!/bin/sh\necho it is broken\nexit 1\n",
    "crashes": "#!/bin/sh\nkill -SEGV $$\n",
    "is no program": "not a program\n",
    "does not know": '#!/bin/sh\necho "there is no command $1" >&2\nexit 2\n',
}


@pytest.mark.parametrize("how", BROKEN)
def test_broken_program_is_not_used(installed, how):
    installed.start()
    before = facts(installed)
    install(installed, BROKEN[how])
    put_back(installed)
    with Load(installed, threads=2) as load:
        load.wait_answers(10)
        result = upgrade(installed)
        load.wait_answers(10)
    assert result.returncode == 1
    assert "the upgrade has failed" in result.stderr and "goes on" in result.stderr
    assert (load.failures, load.refused) == ([], [])
    after = facts(installed)
    for key in ("supervisor", "workers", "mold", "generation"):
        assert after[key] == before[key]
    assert installed.log_lines("warn", "the upgrade has failed")
    assert (installed.directory / "cowherd.pid").read_text() == "%d\n" % installed.process.pid
    assert installed.reload().returncode == 0


def test_not_executable(installed):
    installed.start()
    installed.program.chmod(0o644)
    put_back(installed)
    result = upgrade(installed)
    assert result.returncode == 1 and "Permission denied" in result.stderr
    assert installed.request().status == 200


def test_removed(installed):
    installed.start()
    installed.program.unlink()
    put_back(installed)
    result = upgrade(installed)
    assert result.returncode == 1 and "No such file" in result.stderr
    assert installed.request().status == 200


def test_trial_that_hangs_is_ended(installed):
    installed.start()
    marker = installed.directory / "trial.pid"
    install(installed, "#!/bin/sh\necho $$ >%s\nsleep 1000 &\nwait\n" % marker)
    put_back(installed)
    client = subprocess.Popen([str(installed.program), "upgrade", "-c", str(installed.file)], stderr=subprocess.PIPE)
    wait_until(lambda: marker.exists() and marker.read_text().strip())
    group = int(marker.read_text())
    # Meanwhile all goes on.
    assert installed.request().status == 200
    assert installed.reload().returncode == 0
    assert b"did not end within" in client.communicate(timeout=60)[1]
    assert client.returncode == 1
    wait_until(lambda: processes_of_group(group) == [])
    assert installed.request().status == 200
    install(installed)
    assert upgrade(installed).returncode == 0


def test_stop_while_one_is_tried(installed):
    installed.start()
    marker = installed.directory / "trial.pid"
    install(installed, "#!/bin/sh\necho $$ >%s\nexec sleep 1000\n" % marker)
    put_back(installed)
    installed.signal(signal.SIGUSR2)
    wait_until(lambda: marker.exists() and marker.read_text().strip())
    assert installed.stop() == 0
    wait_until(lambda: not process_alive(int(marker.read_text())))


def patched(old=FORMAT, new=b"cowherd-state 9"):
    content = (BUILD / "cowherd").read_bytes()
    assert old in content
    return content.replace(old, new)


def test_state_of_another_format_is_refused(installed):
    installed.start()
    install(installed, patched())
    put_back(installed)
    result = upgrade(installed)
    assert result.returncode == 1 and "another format" in result.stderr
    assert installed.request().status == 200


def test_children_that_it_can_not_lead_are_refused(installed):
    installed.start()
    # The name of a message is part of what the two programs must have in common.
    install(installed, patched(b"\0ALMOST_DONE\0", b"\0ALMOST_OVER\0"))
    put_back(installed)
    result = upgrade(installed)
    assert result.returncode == 1 and "can't be led" in result.stderr
    assert installed.request().status == 200


def test_failed_adoption_goes_back(installed):
    """One that passes its trial and then can't take over."""
    installed.configure(workers=3).start()
    before = facts(installed)
    real = installed.directory / "sbin" / "cowherd-9"
    real.write_bytes(patched())
    real.chmod(real.stat().st_mode | stat.S_IXUSR)
    kept = os.stat("/proc/%d/exe" % installed.process.pid).st_ino
    install(installed, '#!/bin/sh\n[ "$1" = check-upgrade ] && exit 0\nexec %s "$@"\n' % real)
    put_back(installed)
    with Load(installed, threads=3) as load:
        for _ in range(2):
            load.wait_answers(20)
            result = upgrade(installed)
            assert result.returncode == 1, result.stdout
            assert "another format" in result.stderr and "goes on" in result.stderr
        load.wait_answers(20)
    assert (load.failures, load.refused) == ([], [])
    assert os.stat("/proc/%d/exe" % installed.process.pid).st_ino == kept
    assert process_title(installed.process.pid).endswith(" run -c %s" % installed.file)
    after = facts(installed)
    for key in ("supervisor", "workers", "mold", "generation"):
        assert after[key] == before[key]
    # The path is still that of the program that was installed.
    install(installed)
    assert upgrade(installed).returncode == 0
    assert installed.reload().returncode == 0


# Preloaded into the program that takes over: what it does in epoll_create1 it has done in its trial without.
MISHAPS = {
    "crashes": ("it crashed while it took over", "*(volatile int *)0 = 1;"),
    "aborts": ("it crashed while it took over", "abort();"),
    "overflows its stack": ("it crashed while it took over", "overflow(1);"),
    "breaks its heap": ("it crashed while it took over", "free((char *)malloc(1) + 8);"),
}


@plain_memory
@pytest.mark.skipif(shutil.which("gcc") is None, reason="gcc is not installed")
@pytest.mark.parametrize("how", MISHAPS)
def test_crash_in_the_adoption_goes_back(installed, how):
    """One that passes its trial and then dies while it takes over."""
    said, deed = MISHAPS[how]
    library = installed.directory / "mishap.so"
    source = (
        "#include <stdlib.h>\n"
        '__attribute__((constructor)) static void begin(void) { unsetenv("LD_PRELOAD"); }\n'
        "int overflow(int n) { volatile char room[4096]; room[n] = 1; return overflow((n + 1) & 1023) + room[n]; }\n"
        "int epoll_create1(int flags) { (void)flags; %s return -1; }\n" % deed
    )
    subprocess.run(
        ["gcc", "-O0", "-w", "-shared", "-fPIC", "-x", "c", "-", "-o", str(library)], input=source, text=True, check=True
    )
    installed.configure(workers=3).start()
    before = facts(installed)
    kept = os.stat("/proc/%d/exe" % installed.process.pid).st_ino
    script = '#!/bin/sh\n[ "$1" = run ] && export LD_PRELOAD=%s\nexec %s "$@"\n'
    install(installed, script % (library, BUILD / "cowherd"))
    put_back(installed)
    with Load(installed, threads=3) as load:
        for _ in range(2):
            load.wait_answers(20)
            result = upgrade(installed)
            assert result.returncode == 1, result.stdout
            assert said in result.stderr and "goes on" in result.stderr
        load.wait_answers(20)
    assert (load.failures, load.refused) == ([], [])
    assert os.stat("/proc/%d/exe" % installed.process.pid).st_ino == kept
    after = facts(installed)
    for key in ("supervisor", "workers", "mold", "generation"):
        assert after[key] == before[key]
    install(installed)
    assert upgrade(installed).returncode == 0
    assert installed.reload().returncode == 0


def begin_upgrade(herd):
    upgrading = subprocess.Popen(
        [str(herd.program), "upgrade", "-c", str(herd.file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    herd.wait_log("upgrade: it waits: a generation is being warmed up, or comes in one by one")
    return upgrading


@pytest.mark.parametrize("ends", ["well", "badly"])
def test_a_generation_that_is_warmed_up_is_waited_for(installed, ends):
    fifo = installed.fifo()
    installed.configure(warmup=["/warm"])
    installed.start()
    installed.deaths_expected = ends == "badly"
    installed.write(
        "apps/web0/config.ru",
        'run ->(env) { File.open("%s") { |f| f.read } if env["PATH_INFO"] == "/warm"; [%d, {}, ["new"]] }'
        % (fifo, 200 if ends == "well" else 500),
    )
    installed.signal(signal.SIGHUP)
    with fifo.wait_reader():
        upgrading = begin_upgrade(installed)
        assert upgrading.poll() is None
        assert installed.request().status == 200
    out, err = upgrading.communicate(timeout=30)
    assert upgrading.returncode == 0, err
    wait_taken_over(installed)
    assert installed.pool()["generation"] == (2 if ends == "well" else 1)


def test_one_by_one_is_waited_for_until_it_is_stopped(installed):
    fifo = installed.fifo()
    installed.configure(restart={"surge": "one_by_one"}, workers=2)
    installed.write(
        "apps/web0/config.ru",
        'run ->(env) { File.open("%s") { |f| f.read } if env["PATH_INFO"] == "/hold"; [200, {}, ["new"]] }' % fifo,
    )
    installed.start()
    with contextlib.ExitStack() as stack:
        held, responses = [], []
        for number in (1, 2):  # one after the other: an idle worker takes as many connections as come
            held.append(stack.enter_context(installed.connect()))
            responses.append(held[-1].start(uri="/hold"))
            installed.wait_until(lambda: [worker["state"] for worker in installed.workers()].count("busy") == number)
        with fifo.wait_reader():
            installed.signal(signal.SIGHUP)
            installed.wait_until(lambda: "draining" in [worker["state"] for worker in installed.workers()])
            upgrading = begin_upgrade(installed)
            installed.signal(signal.SIGTERM)
            out, err = upgrading.communicate(timeout=30)
            assert upgrading.returncode == 1 and b"cowherd is being stopped" in err
        for connection, response in zip(held, responses):
            connection.read_response(response)
    assert installed.process.wait(30) == 0


def test_while_a_generation_loads(installed):
    """It goes on loading, and serves under the new program; who waited for it is told to ask again."""
    fifo = installed.fifo()
    installed.start()
    installed.write("apps/web0/config.ru", "File.open(%r) { |f| f.read }\n%s" % (str(fifo), WHOAMI))
    waiting = subprocess.Popen(
        [str(installed.program), "reload", "-c", str(installed.file)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with fifo.wait_reader():
        assert upgrade(installed).returncode == 0
        out, err = waiting.communicate(timeout=20)
        assert waiting.returncode == 1 and b"ask again" in err
        assert installed.pool()["generation"] == 1
    installed.wait_generation(2)
    installed.wait_ready(2)


def test_while_it_starts(installed):
    fifo = installed.fifo()
    installed.write("apps/web0/config.ru", "File.open(%r) { |f| f.read }\n%s" % (str(fifo), WHOAMI))
    installed.start(ready=False)
    with fifo.wait_reader():
        assert upgrade(installed).returncode == 0
        assert not installed.log_lines("ready: 1 pool")
    installed.wait_ready()
    installed.wait_log("ready: 1 pool")


def test_start_that_fails_after_it(installed):
    fifo = installed.fifo()
    installed.write("apps/web0/config.ru", "File.open(%r) { |f| f.read }\nraise 'no'\n" % str(fifo))
    installed.start(ready=False)
    with fifo.wait_reader():
        assert upgrade(installed).returncode == 0
    assert installed.process.wait(20) == 1
    assert "no (RuntimeError)" in installed.stderr()
    assert not (installed.directory / "cowherd.pid").exists()


def test_while_a_generation_drains(installed):
    """What it has in hand is finished, then it goes; who may not take so long is ended."""
    fifo = installed.fifo()
    installed.app("run ->(env) { File.open(%r) { |f| f.read }; [200, {}, ['old']] }" % str(fifo), host="slow")
    installed.start()
    with installed.connect() as connection:
        connection.start(host="slow")
        with fifo.wait_reader():
            assert installed.reload().returncode == 0
            for _ in range(2):
                assert upgrade(installed).returncode == 0
            states = {one["number"]: one["state"] for one in installed.pool()["generations"]}
            assert states == {1: "draining", 2: "serving"}
        assert connection.read_response(fastcgi.Response()).body == b"old"
    installed.wait_log("generation 1 is gone")
    assert installed.ledger()["lost"] == 0


def test_a_trace_is_ended(installed):
    installed.start()
    trace = subprocess.Popen(
        [str(installed.program), "trace-writes", "web", "--requests", "1000", "-c", str(installed.file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    installed.wait_log("traces its writes")
    assert upgrade(installed).returncode == 0
    _, error = trace.communicate(timeout=20)
    assert trace.returncode == 1 and b"ask again" in error
    wait_until(lambda: len(installed.workers()) == 2)
    assert not installed.log_lines(" ended: signal ")


def test_others_that_wait_are_served(installed):
    """Half a command and an upgrade: it is completed by the new program."""
    installed.start()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(installed.settings["control"]))
        client.sendall(b"status js")
        assert upgrade(installed).returncode == 0
        client.sendall(b"on\n")
        client.settimeout(20)
        text = b""
        while piece := client.recv(65536):
            text += piece
    assert text.startswith(b"ok\n{")


def test_request_in_hand_is_still_limited(installed):
    """One that hangs is ended in time under the new program, too."""
    installed.deaths_expected = True
    fifo = installed.fifo()
    installed.app("run ->(env) { File.open(%r) { |f| f.read }; [200, {}, []] }" % str(fifo), host="slow")
    installed.configure(timeouts={"request": "1s", "hard": "2s"})
    installed.start()
    with installed.connect() as connection:
        connection.start(host="slow")
        with fifo.wait_reader():
            assert upgrade(installed).returncode == 0
            response = connection.read_response(fastcgi.Response())
    assert response.status == 504
    installed.wait_ready()


def test_unfinished_lines_of_children_are_kept(installed):
    fifo = installed.fifo()
    installed.app(
        """
run ->(env) {
  $stderr.print "the first half, "
  File.open(%r) { |f| f.read }
  $stderr.puts "the second half"
  [200, {}, []]
}"""
        % str(fifo),
        host="half",
    )
    installed.start()
    with installed.connect() as connection:
        connection.start(host="half")
        with fifo.wait_reader():
            assert upgrade(installed).returncode == 0
        assert connection.read_response(fastcgi.Response()).status == 200
    installed.wait_log("the first half, the second half")


def test_kept_connections_go_on(installed):
    installed.start()
    with installed.client() as client:
        first = client.request().body
        assert upgrade(installed).returncode == 0
        assert client.request().body == first


def test_a_broken_configuration_does_not_matter(installed):
    """The one in force is carried, not read again."""
    installed.start()
    before = facts(installed)
    installed.file.write_text("pools: [")
    result = installed.command("upgrade", "-s", installed.settings["control"], file=False)
    assert result.returncode == 0, result.stderr
    assert facts(installed) == before


def test_standard_error_as_the_log(installed):
    installed.settings["log"] = {"level": "debug", "error": "stderr"}
    installed.start()
    assert upgrade(installed).returncode == 0
    assert "has taken over" in installed.stderr()


STORM = [signal.SIGHUP, signal.SIGUSR1, signal.SIGTTIN, signal.SIGTTOU, signal.SIGUSR2]
WEIGHTS = [30, 30, 17, 17, 4]


def test_storm_of_signals(installed):
    """A thousand signals and killed workers under load: no child is missed, and there is one supervisor."""
    random = Random(1)
    installed.deaths_expected = True
    installed.settings["log"]["access"] = {"path": installed.directory / "access.log"}
    installed.configure(workers=3)
    installed.start()
    supervisor = installed.process.pid
    with Load(installed, threads=2) as load:
        for number in range(1000):
            installed.signal(random.choices(STORM, WEIGHTS)[0])
            time.sleep(random.random() * random.choice([0, 0.001, 0.02]))
            if number % 50 == 0:
                load.wait_answers(1)
            assert installed.process.poll() is None
        load.wait_answers(20)
    assert (load.failures, load.refused) == ([], [])

    def settled():
        """One generation, whose mold and workers are all the children there are, and no zombie."""
        status = installed.try_status()
        if not status or len(status["pools"][0]["generations"]) != 1 or zombies_of(supervisor) != []:
            return None
        pool = status["pools"][0]
        known = [pool["mold"]["pid"]] + [worker["pid"] for worker in pool["workers"]]
        return pool if sorted(processes(lambda stat: stat[1] == supervisor)) == sorted(known) else None

    pool = installed.wait_until(settled, what=lambda: installed.try_status())
    assert installed.status()["supervisor"]["pid"] == supervisor
    assert (installed.directory / "cowherd.pid").read_text() == "%d\n" % supervisor
    assert pool["ledger"]["lost"] == 0
    assert installed.log_lines("has taken over")
    assert installed.stop() == 0


def test_storm_with_killed_workers(installed):
    """A worker that is killed costs the request it had in hand, and no more."""
    random = Random(3)
    installed.deaths_expected = True
    installed.configure(workers=3).start()
    supervisor, killed = installed.process.pid, 0
    with Load(installed, threads=2) as load:
        for _ in range(500):
            signal_number = random.choices(STORM + [signal.SIGKILL], WEIGHTS + [4])[0]
            if signal_number == signal.SIGKILL:
                pids = processes(lambda stat: stat[1] == supervisor and stat[0] != "Z")
                workers = [pid for pid in pids if " worker " in process_title(pid)]
                if workers:
                    killed += 1
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(random.choice(workers), signal.SIGKILL)
            else:
                installed.signal(signal_number)
            time.sleep(random.random() * 0.01)
    assert len(load.failures) + len(load.refused) <= killed
    wait_until(lambda: zombies_of(supervisor) == [])
    # The last upgrade may still come between, and tell who waits to ask again.
    wait_until(lambda: installed.reload().returncode == 0)
    assert installed.request().status == 200
    wait_until(lambda: zombies_of(supervisor) == [])


# -- what other parts of the supervisor carry


def test_the_number_of_workers_that_was_ordered_stays(installed):
    installed.configure(workers=2)
    installed.start()
    assert installed.command("scale", "web", "3").returncode == 0
    installed.wait_until(lambda: len(installed.worker_pids()) == 3)
    before = facts(installed)
    install(installed)
    assert upgrade(installed).returncode == 0
    assert facts(installed) == before
    os.kill(min(installed.worker_pids()), signal.SIGTERM)
    installed.wait_until(lambda: len(installed.worker_pids() - before["workers"]) == 1)
    assert installed.pool()["scaling"]["wanted"] == 3
    # What a reload has taken back stays so.
    assert installed.reload().returncode == 0
    installed.wait_until(lambda: len(installed.worker_pids()) == 2)
    assert upgrade(installed).returncode == 0
    assert installed.pool()["scaling"]["wanted"] == 2


def test_a_pool_at_rest_wakes_after_an_upgrade(installed):
    installed.configure(workers={"min": 0, "max": 2, "idle": "200ms"})
    installed.start(ready=False)
    installed.wait_until(lambda: installed.try_status() and installed.pool()["state"] == "serving")
    assert not installed.worker_pids()
    install(installed)
    assert upgrade(installed).returncode == 0
    assert installed.request().status == 200
    installed.wait_until(lambda: not installed.worker_pids())
    assert installed.request().status == 200


def test_sockets_of_systemd_are_carried_also_those_that_no_pool_names_yet(installed):
    path, other = installed.directory / "given.sock", installed.directory / "other.sock"
    installed.configure(listen="systemd:web", workers=1)
    with unix_listener(path) as given, unix_listener(other) as spare:
        hand_over(installed, [given, spare], "web:spare")
        installed.wait_ready()
        install(installed)
        assert upgrade(installed).returncode == 0
        assert fastcgi.request(str(path)).status == 200
        installed.configure(listen=["systemd:web", "systemd:spare"])
        installed.write_configuration()
        assert installed.reload().returncode == 0
        assert fastcgi.request(str(other)).status == 200
    assert path.exists()
