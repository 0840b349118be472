"""How one generation follows another: warm-up, the environment directory, one by one, unasked, and what goes wrong."""

import os
import re
import signal
import time

import pytest

from herd import HELD, Load, free_port, plain_program, process_alive, process_stat, session_processes, wait_until

WARM = """
run ->(env) {
  File.open(File.join("%s", "asked"), "a") { |f| f.puts "#{env["HTTP_HOST"]} #{env["REQUEST_URI"]} %s" }
  raise "not warm" if env["PATH_INFO"] == "/cold"
  [env["PATH_INFO"] == "/gone" ? 404 : 200, {}, ["%s"]]
}
"""


ENVIRONMENT = 'TEXT = IO.popen("env") { |output| output.read }\nrun ->(env) { [200, {}, [TEXT]] }'

# Each /hold/N waits for a fifo of its own.
HOLDING = (
    HELD
    + """
run ->(env) {
  path = env["PATH_INFO"]
  [200, {}, path.start_with?("/hold/") ? Held.new("%s" + path[6..]) : ["old"]]
}
"""
)


def version(text):
    return 'run ->(env) { [200, {}, ["%s"]] }' % text


def asked(herd):
    path = herd.directory / "asked"
    return path.read_text().split("\n")[:-1] if path.exists() else []


def failed(herd):
    return [generation for generation in herd.pool()["generations"] if generation["state"] == "failed"]


# -- warm-up


def test_the_first_worker_answers_the_warm_up_requests_before_any_other(cowherd):
    (cowherd.directory / "asked").touch(mode=0o666)
    source = WARM % (cowherd.directory, "one", "x")
    cowherd.app(source, host="blog.example.org", path="/blog")
    cowherd.app(source, host="*.example.org")
    cowherd.configure(warmup=["/blog?page=1", "/gone", "/blogs"], workers=3)
    cowherd.start()
    expected = ["blog.example.org /blog?page=1 one", "warm-up.example.org /gone one", "warm-up.example.org /blogs one"]
    assert asked(cowherd) == expected
    assert [len(cowherd.log_lines("warmup: GET ", "status %d" % status)) for status in (200, 404)] == [2, 1]
    assert sum(worker["requests"] for worker in cowherd.workers()) == 3
    assert cowherd.reload().returncode == 0
    assert asked(cowherd) == 2 * expected


@pytest.mark.parametrize("name", ["raises", "exits", "dies", "matches none"])
def test_a_generation_that_is_not_warm_fails_and_the_old_goes_on(cowherd, name):
    cowherd.deaths_expected = name == "dies"
    path = cowherd.app(version("old"), path="/app")
    cowherd.configure(warmup=["/app/a", "/app/b"])
    cowherd.start()
    pids = cowherd.worker_pids()
    path.write_text(
        {
            "raises": 'run ->(env) { env["PATH_INFO"] == "/b" ? raise("not warm") : [200, {}, ["new"]] }',
            "exits": 'run ->(env) { exit! 3 }',
            "dies": 'run ->(env) { Process.kill("KILL", Process.pid) }',
            "matches none": version("new"),
        }[name]
    )
    if name == "matches none":
        cowherd.configure(warmup=["/other"])
        cowherd.write_configuration()
    result = cowherd.reload()
    assert result.returncode == 1
    said = {
        "raises": r"warmup: GET /app/b: answered with status 500",
        "exits": r"warmup: GET /app/a: ",
        "dies": r"warmup: GET /app/a: ",
        "matches none": r"warmup: GET /other: no app of the pool",
    }[name]
    assert re.search(said, result.stderr), result.stderr
    assert [generation["number"] for generation in failed(cowherd)] == [2]
    assert re.search(said, failed(cowherd)[0]["error"])
    assert re.search(r"generation 2 failed: " + said, cowherd.command("status").stdout)
    cowherd.wait_until(lambda: cowherd.worker_pids() == pids)
    assert cowherd.request(uri="/app/b").text == "old"
    path.write_text(version("new"))
    cowherd.configure(warmup=["/app/b"])
    cowherd.write_configuration()
    result = cowherd.reload()
    assert result.returncode == 0, result.stderr
    assert cowherd.request(uri="/app/b").text == "new"
    assert failed(cowherd) == []


def test_nobody_but_the_warm_up_reaches_a_generation_that_is_not_warm(cowherd):
    fifo = cowherd.fifo()
    path = cowherd.app(version("old"))
    cowherd.configure(warmup=["/warm"])
    cowherd.start()
    path.write_text(
        'run ->(env) { File.open("%s") { |f| f.read } if env["PATH_INFO"] == "/warm"; [200, {}, ["new"]] }' % fifo
    )
    with Load(cowherd, check=lambda r: r.status == 200) as load:
        cowherd.signal(signal.SIGHUP)
        with fifo.wait_reader():
            states = {g["number"]: g["state"] for g in cowherd.pool()["generations"]}
            assert states == {1: "serving", 2: "warming"}
            assert re.search(r"^generation 2: warming$", cowherd.command("status").stdout, re.M)
            count = len(load.answers)
            load.wait_answers(50)
            assert {body for _, body in load.answers[count : count + 50]} == {b"old"}
        cowherd.wait_ready(generation=2)
        load.wait_answers(50)
    assert (load.failures, load.refused) == ([], [])
    assert load.answers[-1][1] == b"new"


@plain_program("loading takes longer than this ready_timeout")
def test_a_warm_up_that_takes_for_ever_ends_with_the_ready_timeout(cowherd):
    fifo = cowherd.fifo()
    path = cowherd.app(version("old"))
    cowherd.configure(warmup=["/warm"])
    cowherd.start()
    cowherd.deaths_expected = True
    cowherd.configure(restart={"ready_timeout": "2s"})
    cowherd.write_configuration()
    path.write_text('run ->(env) { File.open("%s") { |f| f.read } }' % fifo)
    result = cowherd.reload()
    assert result.returncode == 1
    assert "restart.ready_timeout (2.0 s): warmup: GET /warm is not answered yet" in result.stderr
    assert cowherd.request().text == "old"
    wait_until(lambda: len(session_processes(cowherd.process.pid)) == 4)


def test_warm_up_requests_do_not_count_for_recycling(cowherd):
    cowherd.app(version("x"))
    cowherd.configure(workers=1, warmup=["/", "/", "/"], recycle={"requests": 2, "jitter": "0%"})
    cowherd.start()
    first = min(cowherd.workers(), key=lambda worker: worker["slot"])
    assert first["requests"] == 3
    for _ in range(20):
        assert cowherd.request().text == "x"
    cowherd.wait_until(lambda: first["pid"] not in cowherd.worker_pids())
    cowherd.wait_ledger(completed=23)
    cowherd.wait_until(lambda: cowherd.pool()["recycled"]["requests"] >= 9)


# -- the environment directory


def environment(herd):
    return dict(line.split("=", 1) for line in herd.request().text.split("\n") if "=" in line)


def test_the_environment_directory_is_read_anew_for_each_generation(cowherd):
    directory = cowherd.write("env/COLOUR", "red\nignored\n").parent
    cowherd.write("env/TZ", "Asia/Tokyo")
    cowherd.app(ENVIRONMENT)
    cowherd.configure(env={"TZ": "UTC", "MODE": "plain"}, restart={"env_dir": directory})
    cowherd.start()
    found = environment(cowherd)
    assert (found["COLOUR"], found["TZ"], found["MODE"]) == ("red", "Asia/Tokyo", "plain")
    cowherd.write("env/COLOUR", "blue # \u00e9 'x' \"y\"\n")
    cowherd.write("env/MODE", "")
    cowherd.write("env/PATH", "")
    (directory / "TZ").unlink()
    assert environment(cowherd) == found, "the one that serves is as it was"
    cowherd.signal(signal.SIGHUP)
    cowherd.wait_generation(2)
    now = environment(cowherd)
    assert (now["COLOUR"], now["TZ"], now.get("MODE")) == ("blue # \u00e9 'x' \"y\"", "UTC", None)
    assert found["PATH"] != now.get("PATH")


@pytest.mark.parametrize("name", ["missing", "pipe", "bad name", "nul"])
def test_an_environment_directory_that_can_not_be_read_fails_the_reload(cowherd, name):
    directory = cowherd.write("env/COLOUR", "red").parent
    cowherd.app(ENVIRONMENT)
    cowherd.configure(restart={"env_dir": directory})
    cowherd.start()
    if name == "missing":
        (directory / "COLOUR").unlink()
        directory.rmdir()
        said = "restart.env_dir: %s: No such file or directory" % directory
    elif name == "pipe":
        os.mkfifo(directory / "PIPE")
        said = "restart.env_dir: %s/PIPE: it is no regular file" % directory
    elif name == "bad name":
        cowherd.write("env/a-b", "x")
        said = "restart.env_dir: %s/a-b: expected" % directory
    else:
        cowherd.write("env/NUL", b"a\0b")
        said = "restart.env_dir: %s/NUL: its first line" % directory
    result = cowherd.reload()
    assert result.returncode == 1
    assert said in result.stderr
    assert said in failed(cowherd)[0]["error"]
    assert environment(cowherd)["COLOUR"] == "red"


# -- one by one


def old_and_new(herd):
    return sorted((worker["generation"], worker["state"]) for worker in herd.workers())


def begin_held(herd, name):
    connection = herd.connect()
    response = connection.start(uri="/hold/" + name)
    connection.read_until(response, lambda r: r.body == b"begun,")
    return connection, response


@pytest.mark.parametrize("ends", ["well", "with a worker's death", "with the mold's death"])
def test_one_by_one_a_worker_comes_when_one_has_gone(cowherd, ends):
    cowherd.deaths_expected = ends != "well"
    path = cowherd.app(HOLDING % (str(cowherd.directory) + "/"))
    cowherd.configure(restart={"surge": "one_by_one"})
    cowherd.start()
    fifos = [cowherd.fifo(), cowherd.fifo(), cowherd.fifo()]
    held = [begin_held(cowherd, "fifo1"), begin_held(cowherd, "fifo2")]
    before = cowherd.worker_pids()
    path.write_text(path.read_text().replace('"old"', '"new"'))
    cowherd.signal(signal.SIGHUP)
    cowherd.wait_until(
        lambda: old_and_new(cowherd) == [(1, "busy"), (1, "draining"), (2, "idle")], what=lambda: old_and_new(cowherd)
    )
    states = {g["number"]: g["state"] for g in cowherd.pool()["generations"]}
    assert states == {1: "serving", 2: "ready"}
    assert cowherd.request().text == "new"
    if ends == "well":
        for fifo in fifos[:2]:
            fifo.release()
        cowherd.wait_ready(generation=2)
        assert not before & cowherd.worker_pids()
    else:
        worker = next(w["pid"] for w in cowherd.workers() if w["generation"] == 2)
        left = []
        if "worker" in ends:
            os.kill(worker, signal.SIGKILL)
        else:
            held.append(begin_held(cowherd, "fifo3"))
            left = [(2, "draining")]
            os.kill(process_stat(worker)[2], signal.SIGKILL)
        cowherd.wait_until(
            lambda: old_and_new(cowherd) == [(1, "busy"), (1, "draining"), (1, "idle")] + left,
            what=lambda: old_and_new(cowherd),
        )
        assert [generation["number"] for generation in failed(cowherd)] == [2]
        assert cowherd.request().text == "old"
        for fifo in fifos[: len(held)]:
            fifo.release()
        cowherd.wait_ready(generation=1)
        assert len(before & cowherd.worker_pids()) == 1
    for connection, response in held:
        connection.read_response(response)
        assert response.body == b"begun,done"
        connection.close()


def test_reloads_one_by_one_under_load_fail_no_request(cowherd):
    path = cowherd.app(version("1"))
    cowherd.configure(restart={"surge": "one_by_one"}, workers=3, warmup=["/"])
    cowherd.start()
    with Load(cowherd) as load:
        load.wait_answers(20)
        for number, workers in ((2, 3), (3, 5), (4, 1), (5, 1), (6, 3)):
            path.write_text(version(number))
            cowherd.configure(workers=workers)
            cowherd.write_configuration()
            result = cowherd.reload()
            assert result.returncode == 0, result.stderr
            cowherd.wait_ready(generation=number)
            load.wait_answers(20)
        path.write_text("raise 'broken'")
        assert cowherd.reload().returncode == 1
        load.wait_answers(20)
    assert (load.failures, load.refused) == ([], [])
    assert {body for _, body in load.answers} == {b"%d" % n for n in range(1, 7)}
    assert not cowherd.log_lines(" worker ", " ended: signal ")


@pytest.mark.parametrize("memory,one_by_one", [("2MiB", True), ("64GiB", False), ("0", False)])
def test_auto_goes_by_the_memory_of_the_pool(cowherd, memory, one_by_one):
    cowherd.app(version("x"))
    cowherd.configure(memory=memory)
    cowherd.start()
    assert cowherd.reload().returncode == 0
    said = cowherd.log_lines("generation 2 comes in one by one: beside the one before it it would take")
    assert len(said) == one_by_one


# -- unasked


def test_a_new_generation_comes_unasked_and_one_that_fails_is_tried_again(cowherd):
    path = cowherd.app(version("old"))
    cowherd.configure(restart={"interval": "300ms"})
    cowherd.start()
    first = cowherd.worker_pids()
    with Load(cowherd) as load:
        path.write_text(version("new"))
        cowherd.wait_until(lambda: cowherd.pool()["generation"] >= 3 and not first & cowherd.worker_pids())
        path.write_text("raise 'broken'")
        cowherd.wait_until(lambda: len(cowherd.log_lines(" generation ", " failed: ")) >= 2)
        path.write_text(version("mended"))
        cowherd.wait_until(lambda: cowherd.request().text == "mended")
        assert "broken" in cowherd.log() and cowherd.log_lines("restart.interval: a new generation is due")
    assert (load.failures, load.refused) == ([], [])
    cowherd.configure(restart={"interval": "0"})
    cowherd.write_configuration()
    assert cowherd.reload().returncode == 0
    number = cowherd.pool()["generation"]
    due = len(cowherd.log_lines("a new generation is due"))
    time.sleep(0.7)
    assert cowherd.pool()["generation"] == number
    assert len(cowherd.log_lines("a new generation is due")) == due


# -- what a reload brings


def test_apps_are_added_changed_and_taken_away_with_a_reload(cowherd):
    cowherd.app(version("first"), host="first.test")
    cowherd.app(version("second"), host="second.test")
    cowherd.start()

    def answers():
        hosts = ("first.test", "second.test", "third.test")
        return [(r.status, r.text) for r in (cowherd.request(host=host) for host in hosts)]

    assert [status for status, _ in answers()] == [200, 200, 404]
    apps = cowherd.pools["web"]["apps"]
    del apps[0]
    apps[0]["path"] = "/below"
    cowherd.app(version("third"), host="third.test", name="third")
    cowherd.write_configuration()
    assert cowherd.reload().returncode == 0
    assert [status for status, _ in answers()] == [404, 404, 200]
    assert answers()[2] == (200, "third")
    assert cowherd.request(uri="/below/x", host="second.test").text == "second"


def test_listeners_are_added_and_taken_away_while_the_others_stay(cowherd):
    path = cowherd.app(version("old"))
    stays, goes = cowherd.directory / "stays.sock", cowherd.directory / "goes.sock"
    cowherd.configure(listen=[stays, goes])
    cowherd.start()
    inode = stays.stat().st_ino
    with Load(cowherd) as load:
        path.write_text(version("new"))
        comes = "127.0.0.1:%d" % free_port()
        cowherd.configure(listen=[stays, comes])
        cowherd.write_configuration()
        assert cowherd.reload().returncode == 0
        load.wait_answers(20)
    assert (load.failures, load.refused) == ([], [])
    assert stays.stat().st_ino == inode and not goes.exists()
    assert [listener["address"] for listener in cowherd.pool()["listen"]] == [str(stays), comes]
    cowherd.configure(listen=[comes])
    assert cowherd.request().text == "new"


def test_the_apps_are_loaded_exactly_once_per_generation(cowherd):
    loaded = cowherd.write("loaded", "")
    cowherd.app('File.open("%s", "a") { |f| f.puts "app" }\n%s' % (loaded, version("x")), interpreter="shared")
    library = cowherd.write("library.rb", 'File.open("%s", "a") { |f| f.puts "library" }\n' % loaded)
    cowherd.app(version("y"), host="other.test", interpreter="shared")
    cowherd.configure(
        workers=4, preload=[library], warmup=["/"], recycle={"requests": 5}, restart={"surge": "one_by_one"}
    )
    cowherd.start()
    for generation in range(1, 4):
        if generation > 1:
            assert cowherd.reload().returncode == 0
        for _ in range(30):
            assert cowherd.request().text == "x"
        assert loaded.read_text() == generation * "library\napp\n"


def test_the_outcome_of_a_reload_says_how_long_it_took(cowherd):
    cowherd.app(version("x"))
    cowherd.start()
    result = cowherd.reload()
    said = re.search(r"web: generation 2 serves after (\d+\.\d{3}) s \(apps loaded in (\d+\.\d{3}) s\)", result.stdout)
    assert said, result
    assert float(said.group(1)) >= float(said.group(2)) > 0


# -- what won't leave, what won't start, and many at once


def test_a_generation_that_will_not_leave_is_killed(cowherd):
    cowherd.deaths_expected = True
    cowherd.app(version("x"))
    cowherd.configure(restart={"drain_timeout": "1s"}, timeouts={"request": "1s", "hard": "1s"})
    cowherd.start()
    old = cowherd.worker_pids() | {cowherd.pool()["mold"]["pid"]}
    for pid in old:
        os.kill(pid, signal.SIGSTOP)
    assert cowherd.reload().returncode == 0
    assert cowherd.request().text == "x"
    wait_until(lambda: not any(process_alive(pid) for pid in old), what="the old generation has ended")
    assert cowherd.wait_log("ended: signal 9", "restart.drain_timeout")
    cowherd.wait_ready(generation=2)


def test_of_five_generations_two_can_be_started(cowherd):
    """start_server's scenario. There generation 1 is tried until it comes up; here a start that fails says so and ends
    with status 1, for who started it (an operator, systemd) to hear of it. From then on all is the same: the clients
    are always served, by 2 and then by 5, whatever becomes of those between."""
    path = cowherd.app("raise 'first'")
    directory = cowherd.write("env/NUMBER", "1").parent
    cowherd.configure(restart={"env_dir": directory})
    status, said = cowherd.run_failing()
    assert status == 1 and "first" in said

    source = 'TEXT = IO.popen("echo $NUMBER") { |output| output.read }\nrun ->(env) { [200, {}, [TEXT]] }'
    path.write_text(source)
    cowherd.write("env/NUMBER", "2")
    cowherd.start()
    with Load(cowherd) as load:
        load.wait_answers(20)
        for number, broken in ((3, "raise 'third'"), (4, "run ->(env) {")):
            path.write_text(broken)
            cowherd.write("env/NUMBER", str(number))
            cowherd.signal(signal.SIGHUP)
            cowherd.wait_until(lambda: len(cowherd.log_lines(" generation ", " failed: ")) >= number - 1)
            load.wait_answers(20)
        assert {body for _, body in load.answers} == {b"2\n"}
        path.write_text(source)
        cowherd.write("env/NUMBER", "5")
        cowherd.signal(signal.SIGHUP)
        cowherd.wait_until(lambda: load.answers[-1][1] == b"5\n")
        cowherd.wait_until(lambda: {worker["generation"] for worker in cowherd.workers()} == {4})
        since = time.monotonic()
        load.wait_answers(20)
    assert (load.failures, load.refused) == ([], [])
    assert {body for _, body in load.answers} == {b"2\n", b"5\n"}
    assert {body for started, body in load.answers if started > since} == {b"5\n"}


@pytest.mark.parametrize("surge", ["generation", "one_by_one"])
def test_reloads_in_quick_succession_miss_nobody(cowherd, surge):
    """25 reloads at gaps of 0 to 24 ms (php-fpm's scenario), and the next one is clean."""
    path = cowherd.app(version("old"))
    cowherd.configure(restart={"surge": surge})
    cowherd.start()
    with Load(cowherd) as load:
        for gap in range(25):
            cowherd.signal(signal.SIGHUP)
            time.sleep(gap / 1000)
        path.write_text(version("new"))
        result = cowherd.reload()
        assert result.returncode == 0, result.stderr
        cowherd.wait_ready()
        load.wait_answers(20)
    assert (load.failures, load.refused) == ([], [])
    assert load.answers[-1][1] == b"new"
    assert failed(cowherd) == []
    assert not cowherd.log_lines(" ended: signal ")
    wait_until(lambda: len(session_processes(cowherd.process.pid)) == 4)
    cowherd.wait_ledger(lost=0, completed=len(load.answers))
