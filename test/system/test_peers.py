"""What the suites of other servers try, in our own form: their scenario, our processes.

Held elsewhere, and not repeated here (S start_server, L Starlet, F php-fpm, U unicorn, P pitchfork, M puma, G gunicorn):

    S  HUP: the generations overlap, the new one answers     test_lifecycle.test_reloads_under_load_fail_no_request
       a running request ends where it began                 test_lifecycle.test_a_running_request_ends_in_the_generation...
    L  stop in mid-request: full body                        test_lifecycle.test_a_graceful_stop_finishes_the_running_request
       23 requests with a limit of 1: 23 pids                test_recycle.test_with_a_limit_of_one_...
    F  socket mode as configured                             test_lifecycle.test_the_socket_has_the_mode_...
    U  second instance on the same socket, or pid file       test_lifecycle.test_a_second_instance_...
       supervisor SIGKILLed: workers leave, a restart works  test_lifecycle.test_the_workers_leave_..., test_it_starts_again_...
       blocked request: ended in time, new pid               test_time_outs.test_code_stuck_in_c_...
       log renamed and USR1                                  test_logs.test_usr1_reopens_both_logs_and_loses_no_line
    P  stuck start killed at its time-out                    test_molds.test_a_mold_that_is_still_loading_at_its_deadline_...
       a mold that can't be exec'd, or does not fork         test_molds.test_a_mold_that_can_not_be_started_..., ..._not_fork_...
    M  restarts under load: no dropped connection            test_lifecycle.test_reloads_under_load_..., test_nginx, test/chaos
"""

import contextlib
import hashlib
import os
import signal
import time

import pytest

from herd import SANITIZED, WHOAMI, Load, descriptors, process_alive, process_stat, session_processes, wait_until


def version(text):
    return 'run ->(env) { [200, {}, ["%s"]] }\n' % text


def wait_only_last_generation(herd, pool="web"):
    """No reload is under way any more, and nothing of an older generation is left."""

    def settled():
        now = herd.pool(pool)
        return len(now["generations"]) == 1 and {w["generation"] for w in now["workers"]} == {now["generation"]}

    herd.wait_until(settled, what=lambda: "one generation: %s" % herd.pool(pool))
    return herd.pool(pool)


def wait_current_generation(herd):
    """As wait_only_last_generation, where generations that failed are still told about."""

    def settled():
        now = herd.pool()
        return (
            len(now["workers"]) == herd.pools["web"]["workers"]
            and {w["generation"] for w in now["workers"]} == {now["generation"]}
            and all(w["state"] in ("idle", "busy") for w in now["workers"])
        )

    herd.wait_until(settled, what=lambda: "the current generation alone: %s" % herd.pool())


# -- start_server


def test_generations_1_3_and_4_fail_and_clients_are_served_by_2_and_then_5(cowherd):
    """Ours differs on purpose where there is nothing to fall back to: a first generation that fails ends the start,
    with its reason, in place of trying for ever. So the numbers begin anew with the start that succeeds."""
    path = cowherd.app("raise 'the first'\n")
    status, said = cowherd.run_failing()
    assert status == 1 and "the first" in said
    path.write_text(version("generation 2"))
    cowherd.start()
    with Load(cowherd) as load:
        load.wait_answers(50)
        for text in ("raise 'the third'\n", "run ->(env) { [200, {}, [] }\n"):
            path.write_text(text)
            assert cowherd.reload().returncode == 1
            load.wait_answers(50)
        assert {body for _, body in load.answers} == {b"generation 2"}
        path.write_text(version("generation 5"))
        assert cowherd.reload().returncode == 0
        wait_current_generation(cowherd)
        changed = time.monotonic()
        load.wait_answers(50)
    assert (load.failures, load.refused) == ([], [])
    assert {body for started, body in load.answers if started > changed} == {b"generation 5"}


def test_stop_returns_once_the_pid_file_is_gone(cowherd):
    cowherd.app(version("x"))
    cowherd.start()
    assert cowherd.command("stop").returncode == 0
    assert not (cowherd.directory / "cowherd.pid").exists() and not cowherd.address().exists()
    cowherd.start()
    assert cowherd.request().text == "x"


# -- php-fpm


def test_a_worker_that_answers_no_signal_is_killed_after_its_time_and_the_pool_answers(cowherd):
    """Stopped workers take neither DRAIN nor TERM: the old generation of a reload ends all the same."""
    cowherd.deaths_expected = True
    cowherd.configure(timeouts={"request": "1s", "hard": "1s"}, restart={"drain_timeout": "1s"})
    cowherd.app(WHOAMI)
    cowherd.start()
    old = cowherd.worker_pids()
    deaf = min(old)
    os.kill(deaf, signal.SIGSTOP)
    try:
        os.kill(deaf, signal.SIGTERM)
        assert cowherd.reload().returncode == 0
        cowherd.wait_until(lambda: deaf not in cowherd.worker_pids())
        cowherd.wait_log("pid %d" % deaf, " ended: signal 9")
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(deaf, signal.SIGCONT)
    wait_current_generation(cowherd)
    assert not {int(cowherd.request().text) for _ in range(20)} & old


def test_25_reloads_at_gaps_of_0_to_24_ms(cowherd):
    cowherd.app(version("x" * 3000))
    cowherd.start()
    with Load(cowherd, check=lambda r: r.status == 200 and r.body == b"x" * 3000) as load:
        for gap in range(25):
            cowherd.signal(signal.SIGHUP)
            time.sleep(gap / 1000)
        load.wait_answers(100)
        generation = wait_only_last_generation(cowherd)["generation"]
        assert 2 <= generation <= 26
        assert cowherd.reload().returncode == 0
        wait_only_last_generation(cowherd)
    assert (load.failures, load.refused) == ([], [])
    wait_until(lambda: len(session_processes(cowherd.process.pid)) == 4, what=lambda: session_processes(cowherd.process.pid))
    assert cowherd.pool()["generation"] == generation + 1
    assert cowherd.ledger()["lost"] == 0


def listening_inodes(pid):
    """The inodes of the listening unix sockets of a process, by path. (The kernel's table may lack a line for a moment,
    when others come and go.)"""
    held = {link[8:-1] for link in descriptors(pid).values() if link.startswith("socket:[")}
    listeners = {}
    with open("/proc/net/unix") as table:
        for line in table.read().splitlines()[1:]:
            fields = line.split()
            if len(fields) > 7 and fields[3] == "00010000" and fields[6] in held:
                listeners[fields[7]] = fields[6]
    return listeners


def test_10_reloads_hand_the_same_socket_on(cowherd):
    cowherd.app(WHOAMI)
    cowherd.start()
    path = str(cowherd.address())
    socket_inode = wait_until(lambda: listening_inodes(cowherd.process.pid).get(path))
    file_inode = os.stat(path).st_ino
    for generation in range(2, 12):
        assert cowherd.reload().returncode == 0
        cowherd.wait_generation(generation)
        worker = int(cowherd.request().text)
        assert wait_until(lambda: listening_inodes(worker).get(path)) == socket_inode
        assert os.stat(path).st_ino == file_inode


def test_128_pools_reload_twice(cowherd):
    pools = 16 if SANITIZED else 128  # sanitizers multiply the memory that a process takes
    for number in range(pools):
        name = "p%03d" % number
        cowherd.configure(name, workers=1)
        cowherd.app(version(name), pool=name)
    del cowherd.pools["web"]
    cowherd.start()
    for generation in (2, 3):
        result = cowherd.reload()
        assert result.returncode == 0, result.stderr
        cowherd.wait_ready(generation=generation)
        for name in cowherd.pools:
            assert cowherd.request(pool=name).text == name
    wait_until(lambda: len(session_processes(cowherd.process.pid)) == 1 + 2 * pools)


def test_167_lines_on_stderr_leave_the_body_intact(cowherd):
    body = b"".join(b"line %d of the body\n" % n for n in range(5000))
    cowherd.app(
        """
        BODY = (0...5000).map { |n| "line #{n} of the body\\n" }
        run ->(env) do
          167.times { |n| env["rack.errors"].puts "rack line #{n} #{'r' * n}"; $stderr.puts "plain line #{n} #{'p' * n}" }
          [200, {}, BODY]
        end
        """
    )
    cowherd.start()
    for keep in (False, True):
        with cowherd.connect() as connection:
            response = connection.request(keep=keep)
            assert (response.status, response.complete, response.body) == (200, True, body)
    for kind in ("rack", "plain"):
        for number in (0, 83, 166):
            wait_until(lambda: len(cowherd.log_lines("%s line %d %s" % (kind, number, kind[0] * number))) >= 2)


def test_an_app_that_makes_its_descriptors_non_blocking_harms_no_request(cowherd):
    """Standard input, output and error, and every socket it can find: connections and listeners among them."""
    cowherd.configure(workers=1)
    cowherd.app(
        """
        $kept = []
        run ->(env) do
          if env["PATH_INFO"] == "/harm"
            Dir.entries("/proc/self/fd").each do |entry|
              socket = BasicSocket.for_fd(entry.to_i) rescue next
              socket._setnonblock(true) rescue nil
              $kept << socket
            end
          end
          [200, {}, [env["rack.input"].read, $kept.size.to_s]]
        end
        """
    )
    cowherd.start()
    pid = cowherd.workers()[0]["pid"]
    body = bytes(range(256)) * 4000
    harmed = cowherd.request("/harm")
    assert harmed.status == 200 and int(harmed.text) >= 3, "it has found descriptors"
    flags = open("/proc/%d/fdinfo/0" % pid).read()
    assert int(flags.split("flags:")[1].split()[0], 8) & os.O_NONBLOCK, "it has done harm"
    for _ in range(5):
        answer = cowherd.request("/", method="POST", body=body)
        assert answer.status == 200 and answer.body.startswith(body)
    assert cowherd.worker_pids() == {pid}
    assert cowherd.reload().returncode == 0
    cowherd.wait_generation(2)
    assert cowherd.request("/", method="POST", body=body).body == body + b"0"


# -- unicorn


def test_hup_with_a_syntax_error_is_logged_and_the_old_app_serves(cowherd):
    path = cowherd.app(version("old"))
    cowherd.start()
    pids = cowherd.worker_pids()
    path.write_text("run ->(env) {\n  [200, {}, ['new'\n}\n")
    cowherd.signal(signal.SIGHUP)
    cowherd.wait_log("syntax error", "%s:" % path)
    cowherd.wait_until(lambda: any(g["error"] for g in cowherd.pool()["generations"]))
    assert cowherd.request().text == "old" and cowherd.worker_pids() == pids
    path.write_text(version("mended"))
    cowherd.signal(signal.SIGHUP)
    cowherd.wait_until(lambda: cowherd.request().text == "mended")


def test_workers_outlive_a_supervisor_that_is_stopped_and_continued(cowherd):
    """Stopped for longer than every time-out, and with a request in hand: nobody is killed for that, nobody missed."""
    fifo = cowherd.fifo()
    cowherd.configure(timeouts={"request": "1500ms", "hard": "2s", "header": "1500ms"})
    cowherd.app(
        """
        run ->(env) { File.open("%s") { |f| f.read } if env["PATH_INFO"] == "/hold"; [200, {}, ["x" * 70_000]] }
        """
        % fifo
    )
    cowherd.start()
    pids = cowherd.worker_pids()
    with cowherd.connect() as connection:
        response = connection.start(uri="/hold")
        with fifo.wait_reader():
            cowherd.signal(signal.SIGSTOP)
            try:
                wait_until(lambda: process_stat(cowherd.process.pid)[0] == "T")
                stopped = time.monotonic()
                with Load(cowherd, threads=2, check=lambda r: r.body == b"x" * 70_000) as load:
                    wait_until(lambda: time.monotonic() - stopped > 3)
                    load.wait_answers(20)
            finally:
                cowherd.signal(signal.SIGCONT)
        connection.read_response(response)
    assert (response.status, response.body) == (200, b"x" * 70_000)
    assert (load.failures, load.refused) == ([], [])
    assert cowherd.worker_pids() == pids
    assert not cowherd.log_lines("is killed")
    assert cowherd.reload().returncode == 0


# -- pitchfork

BROKEN_MOLDS = {"raises": "raise 'not now'\n", "exits": "exit! 3\n", "hangs": "sleep 1000\n"}


@pytest.mark.parametrize("name", sorted(BROKEN_MOLDS))
def test_a_mold_that_fails_is_tried_again_while_the_workers_serve(cowherd, name):
    cowherd.deaths_expected = True
    cowherd.configure(restart={"ready_timeout": "2s"})
    path = cowherd.app(version("old"))
    cowherd.start()
    pids = cowherd.worker_pids()
    path.write_text(BROKEN_MOLDS[name])
    with Load(cowherd, threads=2) as load:
        os.kill(cowherd.pool()["mold"]["pid"], signal.SIGKILL)
        cowherd.wait_until(lambda: any(g["error"] for g in cowherd.pool()["generations"]))
        load.wait_answers(20)
        assert cowherd.worker_pids() == pids
        path.write_text(version("mended"))
        cowherd.wait_until(lambda: load.answers[-1][1] == b"mended")
    assert (load.failures, load.refused) == ([], [])
    assert {body for _, body in load.answers} == {b"old", b"mended"}


def test_100_mb_under_repeated_reloads_come_whole(cowherd):
    block = bytes(range(256)) * 256
    cowherd.app(
        """
        class Blocks
          BLOCK = (0..255).map { |n| n.chr }.join * 256
          def each; (100 * 16).times { yield BLOCK }; end
        end
        run ->(env) { [200, {}, Blocks.new] }
        """
    )
    cowherd.start()
    digest, expected, total, next_hup = hashlib.sha256(), hashlib.sha256(), 0, 0
    for _ in range(100 * 16):
        expected.update(block)

    def sink(content):
        nonlocal total, next_hup
        digest.update(content)
        total += len(content)
        if total >= next_hup:
            cowherd.signal(signal.SIGHUP)
            next_hup += 10_000_000

    with cowherd.connect() as connection:
        response = connection.request(sink=sink, timeout=60)
    assert response.complete and response.status == 200
    assert total == 100 * 16 * len(block)
    assert digest.digest() == expected.digest()
    assert wait_only_last_generation(cowherd)["generation"] > 1


# -- puma


def test_an_app_is_loaded_exactly_once_in_each_generation(cowherd):
    """However many workers there are, and however many take the place of others."""
    loads = cowherd.directory / "loads"
    cowherd.configure(workers=3, recycle={"requests": 5})
    cowherd.app("File.open('%s', 'a') { |f| f.puts 'loaded' }\n%s" % (loads, WHOAMI))
    cowherd.start(ready=False)
    cowherd.wait_until(lambda: cowherd.try_status() and cowherd.pool()["state"] == "serving")
    assert loads.read_text().count("loaded\n") == 1
    seen = set()
    with Load(cowherd, check=lambda r: seen.add(r.text) or r.status == 200) as load:
        for generation in range(2, 6):
            load.wait_answers(60)
            assert cowherd.reload().returncode == 0
            assert loads.read_text().count("loaded\n") == generation
        load.wait_answers(60)
    assert (load.failures, load.refused) == ([], [])
    assert len(seen) > 15
    assert loads.read_text().count("loaded\n") == 5


# -- gunicorn


def test_processes_that_nobody_knows_are_reaped_and_stop_nothing(cowherd):
    """Apps leave processes behind, which become the supervisor's children; some end by a signal, or many at once."""
    cowherd.app(
        """
        run ->(env) do
          IO.popen("(sleep 0.1; exit 3) & sh -c 'sleep 0.1; kill -9 $$' & sh -c 'kill -SEGV $$' & exec echo x") { |p| p.read }
          [200, {}, ["left"]]
        end
        """
    )
    cowherd.start()
    pids = cowherd.worker_pids()
    with Load(cowherd, threads=4) as load:
        load.wait_answers(40)
    assert (load.failures, load.refused) == ([], [])
    assert cowherd.worker_pids() == pids

    def zombies():
        found = []
        for entry in os.listdir("/proc"):
            stat = process_stat(int(entry)) if entry.isdigit() else None
            if stat and stat[0] == "Z" and stat[1] == cowherd.process.pid:
                found.append(int(entry))
        return found

    wait_until(lambda: len(session_processes(cowherd.process.pid)) == 4 and not zombies())
    assert cowherd.reload().returncode == 0
    assert cowherd.request().text == "left"
