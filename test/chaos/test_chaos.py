"""Reloads, recycles, deaths, signals and bad requests, under load of clients that check every byte."""

import os
import signal
import time

import pytest

from clients import Clients, app
from front_servers import NGINX, Front
from herd import plain_memory, wait_until
from soundness import assert_as_after_the_start, assert_no_zombie, assert_nothing_failed

FASTCGI = {"new-connections": {"keep": False}, "kept-connections": {"keep": True}}
THROUGH = [*FASTCGI, pytest.param("nginx", marks=pytest.mark.skipif(NGINX is None, reason="nginx is not installed"))]


@pytest.fixture
def front(cowherd):
    """front(through): what Clients are to be told; `nginx` is started when it is wanted."""
    started = []

    def tell(through):
        if through != "nginx":
            return FASTCGI[through]
        started.append(Front(cowherd))
        return {"port": started[0].port}

    yield tell
    for nginx in started:
        nginx.stop()


def recycled(herd):
    return sum(herd.pool()["recycled"].values())


# -- 200 reloads


@pytest.mark.parametrize("through", THROUGH)
def test_200_reloads(cowherd, front, rng, times, tell, through):
    path = cowherd.app(app(1))
    cowherd.start()
    about = front(through)
    with Clients(cowherd, rng, **about) as clients:
        clients.wait_answers(50)
        for generation in range(2, 2 + times(200)):
            path.write_text(app(generation))
            result = cowherd.reload()
            assert result.returncode == 0, result.stderr
            clients.wait_answers(rng.randrange(30))
    tell("%d reloads, %d answers, %d failed, %d retries on stale connections, longest %.2f s"
         % (times(200), clients.answered, clients.failed, clients.retries, clients.longest))
    ledger = assert_nothing_failed(clients, cowherd)
    if not clients.port:
        assert ledger["completed"] == clients.answered
    assert_as_after_the_start(cowherd, 2)
    assert cowherd.request().header("x-generation") == str(1 + times(200))


# -- 2,000 recycles


@pytest.mark.parametrize("through", THROUGH)
def test_2000_recycles(cowherd, front, rng, times, tell, through):
    cowherd.configure(workers=3, recycle={"requests": 4, "jitter": "50%"})
    cowherd.app(app())
    cowherd.start()
    about = front(through)
    wanted = times(2000)
    with Clients(cowherd, rng, **about) as clients:
        # (Each takes four requests at least: what hangs is found by the answers that don't come.)
        while recycled(cowherd) < wanted:
            clients.wait_answers(50)
    tell("%d recycles, %d answers, %d failed, %d retries on stale connections, longest %.2f s"
         % (recycled(cowherd), clients.answered, clients.failed, clients.retries, clients.longest))
    ledger = assert_nothing_failed(clients, cowherd)
    if not clients.port:
        assert ledger["completed"] == clients.answered


# -- 200 deaths


@pytest.mark.parametrize("through", [THROUGH[0], THROUGH[2]])
def test_200_workers_killed(cowherd, front, rng, times, tell, through):
    """Whoever a worker serves when it is killed from outside has lost; nobody else has, and the books say the same."""
    cowherd.deaths_expected = True
    cowherd.configure(workers=8)
    cowherd.app(app())
    cowherd.start()
    about = front(through)
    killed, worst = 0, 0
    with Clients(cowherd, rng, threads=6, **about) as clients:
        clients.wait_answers(50)
        while killed < times(200):
            serving = [worker for worker in cowherd.workers() if worker["state"] in ("idle", "busy")]
            # Workers that die young are replaced after a pause; and those that are left are to be seen serving.
            pids = [worker["pid"] for worker in serving if worker["pid"] and worker["uptime_s"] > 1.1]
            time.sleep(rng.uniform(0, 0.02))
            if len(serving) < 3 or not pids:
                continue
            victim = rng.choice(pids)
            before = clients.failed
            os.kill(victim, signal.SIGKILL)
            killed += 1
            wait_until(lambda: victim not in cowherd.worker_pids())  # else it might be chosen once more
            clients.wait_round()
            worst = max(worst, clients.failed - before)
    ledger = cowherd.wait_ledger()
    tell("%d killed, %d answers, outcomes %s, %d at most with one, ledger %s"
         % (killed, clients.answered, dict(clients.outcomes), worst, ledger))
    assert ledger["error_answered"] == 0 and ledger["lost"] <= killed
    # One that was killed between its answer and the entry of it is lost in the books and not to its client.
    answered = clients.answered + (1 if through == "nginx" else 0)  # (the first was for the start of nginx)
    assert ledger["completed"] <= answered <= ledger["completed"] + ledger["lost"] + ledger["client_gone"]
    assert ledger["accepted"] <= answered + clients.failed
    assert worst <= 1, clients.failures[:10]
    if through == "nginx":
        assert set(clients.outcomes) <= {"answered", "error 502", "cut"}
    else:
        assert set(clients.outcomes) <= {"answered", "closed", "cut"}
    cowherd.wait_ready(generation=1)
    assert_as_after_the_start(cowherd, 8)


# -- 1,000 signals


def taken_signals(pid):
    """The signals of the table that this supervisor takes (it blocks them, and reads them)."""
    with open("/proc/%d/status" % pid) as status:
        mask = int(next(line for line in status if line.startswith("SigBlk:")).split()[1], 16)
    return [number for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGTTIN, signal.SIGTTOU)
            if mask & 1 << number - 1]  # fmt: skip


def test_1000_signals(cowherd, rng, times, tell):
    cowherd.app(app())
    cowherd.start()
    supervisor = cowherd.process.pid
    signals = taken_signals(supervisor)
    assert {signal.SIGHUP, signal.SIGUSR1} <= set(signals)
    # Each of them more often than not comes beside others; CHLD and WINCH say nothing, and nothing may follow.
    signals += [signal.SIGCHLD, signal.SIGWINCH]
    with Clients(cowherd, rng) as clients:
        clients.wait_answers(50)
        for number in range(times(1000)):
            cowherd.signal(rng.choice(signals))
            time.sleep(rng.choice([0, 0, rng.uniform(0, 0.03)]))
            if number % 50 == 0:
                one_worker_more(cowherd, signals)
                clients.wait_answers(5)
        one_worker_more(cowherd, signals)
        clients.wait_answers(50)
        reached = cowherd.wait_until(lambda: one_generation(cowherd), what=lambda: cowherd.pool())
        result = cowherd.reload()
        assert result.returncode == 0, result.stderr
        cowherd.wait_until(lambda: one_generation(cowherd) == reached + 1, what=lambda: cowherd.pool())
    tell("%d signals, %d generations, %d answers, %d failed" % (times(1000), reached, clients.answered, clients.failed))
    ledger = assert_nothing_failed(clients, cowherd)
    assert ledger["completed"] == clients.answered
    assert cowherd.process.poll() is None and cowherd.status()["supervisor"]["pid"] == supervisor
    assert_as_after_the_start(cowherd, len(cowherd.workers()))
    assert_no_zombie(supervisor)


def one_worker_more(herd, signals):
    """After many TTOU: somebody has to be there."""
    if signal.SIGTTIN in signals:
        herd.signal(signal.SIGTTIN)


def one_generation(herd):
    """The number of the only generation there is, once its workers are in."""
    pool = herd.pool()
    settled = {w["generation"] for w in pool["workers"]} == {pool["generation"]} and len(pool["generations"]) == 1
    return settled and all(w["state"] in ("idle", "busy") for w in pool["workers"]) and pool["generation"]


# -- requests that never end

BAD = """
$kept = []
def deep(n); [deep(n + 1)]; end
def stubborn; begin; loop { }; rescue Exception; retry; end; end
def nested(depth); list = []; depth.times { list = [list] }; list; end
run ->(env) do
  case env["PATH_INFO"]
  when "/loop" then loop { }
  when "/c" then 7 ** 40_000_000
  when "/sleep" then sleep 3600
  when "/system" then `exec sleep 5`
  when "/recursion" then deep(0)
  when "/overflow" then nested(3_000_000).flatten
  when "/rescue" then stubborn
  when "/large" then loop { $kept << "x" * 1_000_000 }
  when "/small" then loop { $kept << "x" * 100 }
  end
  [200, {}, ["fine"]]
end
"""

# What ends them: a soft or a hard time-out (504), or that they can't go on (500), unless that takes them too long.
ANSWERS = {
    "/loop": {504}, "/c": {504}, "/sleep": {504}, "/system": {504}, "/rescue": {504},
    "/recursion": {500, 504}, "/overflow": {500, 504}, "/large": {500, 504}, "/small": {500, 504},
}  # fmt: skip


@plain_memory
def test_100_requests_that_never_end(cowherd, rng, times, tell):
    """Each is answered within the time-outs, while a healthy app in the same pool answers all the while."""
    cowherd.deaths_expected = True
    cowherd.configure(workers=3, timeouts={"request": "500ms", "hard": "1500ms", "header": "20s"}, rlimits={"as": "200MiB", "core": 0})
    cowherd.app(BAD, host="bad.test")
    cowherd.app(app(), host="good.test")
    cowherd.start()
    uris = list(ANSWERS) * 20
    rng.shuffle(uris)
    uris = list(ANSWERS) + uris[: times(100)]
    slowest, between = 0.0, []
    with Clients(cowherd, rng, threads=8, host="good.test") as clients:
        clients.wait_answers(30)
        for uri in uris:
            healthy, started = clients.answered, time.monotonic()
            answer = cowherd.request(uri, host="bad.test")
            slowest = max(slowest, time.monotonic() - started)
            between.append(clients.answered - healthy)
            assert answer.complete and answer.status in ANSWERS[uri], (uri, answer)
            assert answer.status != 504 or between[-1] > 0, (uri, clients.outcomes)
            clients.wait_answers(5)
            cowherd.wait_until(lambda: len([w for w in cowherd.workers() if w["state"] in ("idle", "busy")]) >= 3)
    ledger = cowherd.wait_ledger()
    tell("%d bad requests, slowest answer %.2f s; meanwhile %d good answers (%d at least beside each), outcomes %s"
         % (len(uris), slowest, clients.answered, min(between), dict(clients.outcomes)))
    assert clients.failed == 0, clients.failures
    assert (ledger["error_answered"], ledger["lost"], ledger["client_gone"]) == (len(uris), 0, 0)
    assert ledger["completed"] == clients.answered
