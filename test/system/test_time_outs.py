"""Requests that run for too long or crash their worker: all of them are answered, and the others never notice."""

import os
import signal

import pytest

import fastcgi
from herd import Load, plain_memory

APP = """
class Reluctant
  def self.run
    begin
      loop { }
    rescue Exception
      retry
    end
  end
end

def slow_body
  Enumerator.new { |out| out << "begun "; loop { } }
end

def nested(depth)
  list = []
  depth.times { list = [list] }
  list
end

run ->(env) {
  case env["PATH_INFO"]
  when "/loop"
    begin
      loop { }
    ensure
      $ensured = "ensured"
    end
  when "/rescue" then begin; loop { }; rescue => e; "caught"; end
  when "/retry" then Reluctant.run
  when "/sleep" then sleep 3600
  when "/nap"
    began = Time.now
    sleep 0.2
    next [200, {}, [(Time.now - began).to_s]]
  when "/recursion" then def deep; deep; rescue SystemStackError; retry; end; deep
  when "/catch"
    begin
      loop { }
    rescue Cowherd::RequestTimeout
      next [200, {}, ["caught in time"]]
    end
  when "/body" then next [200, {}, slow_body]
  when "/c" then 7 ** 40_000_000
  when "/overflow" then nested(3_000_000).flatten
  end
  [200, {}, ["fine #{$ensured}"]]
}
"""


@pytest.fixture
def herd(cowherd):
    cowherd.configure(workers=2, timeouts={"request": "300ms", "hard": "3s"})
    cowherd.app(APP)
    return cowherd


@pytest.mark.parametrize("uri", ["/loop", "/rescue", "/retry", "/sleep", "/recursion"])
def test_ruby_that_never_ends_is_answered_504_and_its_worker_lives(herd, uri):
    herd.start()
    pids = herd.worker_pids()
    assert herd.request(uri).status == 504
    herd.wait_log("error", "timeouts.request (0.3 s) (Cowherd::RequestTimeout)")
    herd.wait_log("config.ru:")
    for _ in range(4):
        assert herd.request("/").status == 200
    assert herd.worker_pids() == pids
    herd.wait_ledger(error_answered=1, lost=0)


def test_signals_that_are_no_time_out_do_not_end_a_sleep(herd):
    herd.configure(workers=1)
    herd.start()
    (worker,) = herd.worker_pids()
    with Load(herd, threads=1, uri="/nap") as load:

        def signalled():
            os.kill(worker, signal.SIGUSR2)  # as the kernel does when a parent ends
            return len(load.answers) >= 3 or load.failures

        herd.wait_until(signalled)
    assert not load.failures
    assert min(float(body) for _, body in load.answers) > 0.19


def test_ensure_runs(herd):
    herd.configure(workers=1)
    herd.start()
    assert herd.request("/loop").status == 504
    assert herd.request("/").text == "fine ensured"


def test_an_app_may_answer_by_itself(herd):
    herd.start()
    answer = herd.request("/catch")
    assert (answer.status, answer.text) == (200, "caught in time")


def test_a_streaming_body_that_never_ends_is_cut_short(herd):
    herd.start()
    with pytest.raises(fastcgi.ConnectionClosed) as ended:
        herd.request("/body")
    assert ended.value.response.body == b"begun "
    herd.wait_log("cut short", "RequestTimeout")
    herd.wait_ledger(error_answered=1)


def test_code_stuck_in_c_is_answered_504_and_its_worker_is_replaced(herd):
    herd.deaths_expected = True
    herd.start()
    pids = herd.worker_pids()
    assert herd.request("/c").status == 504
    herd.wait_log("is killed: GET localhost/c has run for longer than timeouts.hard (3.0 s)", "504 was answered")
    herd.wait_until(lambda: len(herd.worker_pids() - pids) == 1 and len(herd.worker_pids()) == 2)
    herd.wait_ledger(error_answered=1, lost=0)
    assert herd.request("/").status == 200


def test_healthy_requests_are_answered_all_the_while(herd):
    herd.deaths_expected = True
    herd.start()
    with Load(herd, threads=2, uri="/") as load:
        for uri in ("/loop", "/retry", "/c"):
            assert herd.request(uri).status == 504
            answered = len(load.answers)
            herd.wait_until(lambda: len(load.answers) >= answered + 20)
    assert not load.failures
    # A request that the killed worker had received in part: it is for nobody else, and a front end tries again.
    assert len(load.refused) <= 1


@plain_memory
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_a_crash_is_answered_500_with_the_ruby_code_in_the_log(herd, number):
    herd.configure(workers=1, timeouts={"request": "20s", "hard": "30s"})
    herd.deaths_expected = True
    herd.start()
    (pid,) = herd.worker_pids()
    with herd.connect() as client:
        response = client.start(uri="/loop")
        herd.wait_until(lambda: herd.workers()[0]["state"] == "busy")
        os.kill(pid, number)
        assert client.read_response(response).status == 500
    herd.wait_log(f"crashed by SIG{signal.Signals(number).name[3:]} in GET localhost/loop")
    herd.wait_log("config.ru:")
    herd.wait_log("ended: signal", signal.Signals(number).name)
    assert herd.request("/").status == 200
    herd.wait_ledger(error_answered=1, lost=0)


@plain_memory
def test_an_overflow_of_the_c_stack_is_answered(herd):
    herd.configure(workers=1, timeouts={"request": "20s", "hard": "30s"})
    herd.deaths_expected = True
    herd.start()
    assert herd.request("/overflow").status == 500
    assert herd.request("/").status == 200
    herd.wait_ledger(lost=0)


