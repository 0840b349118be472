"""Workers of one mold are copies of each other; what they draw at random is not."""

import os

APP = """
BEFORE = Random.new
SecureRandom.hex
Random.srand(%d)
$loaded = rand

run ->(env) {
  if $first.nil?
    $first = {
      "rand" => rand.to_s,
      "integer" => rand(1 << 30).to_s,
      "bytes" => Random.bytes(16).bytes.join("."),
      "class" => Random.rand.to_s,
      "new" => Random.new.rand.to_s,
      "new-bytes" => Random.new.bytes(16).bytes.join("."),
      "kept" => BEFORE.rand.to_s,
      "shuffle" => (0...50).to_a.shuffle.join("."),
      "secure" => SecureRandom.hex,
      "secure-number" => SecureRandom.random_number(1 << 60).to_s,
      "sample" => (0..3).map { (0...1000).to_a.sample.to_s }.join("."),
    }
  end
  File.open("%s") { |f| f.read } if env["PATH_INFO"] == "/hold"
  pid = File.open("/proc/self/stat") { |f| f.gets.to_i }
  [200, {}, [(["pid #{pid}", "loaded #{$loaded}"] + $first.keys.map { |k| "#{k} #{$first[k]}" }).join("\\n")]]
}
"""


def values(response):
    assert response.status == 200, response
    return dict(line.split(" ") for line in response.text.split("\n"))


def first_values(herd, fifo):
    """One answer of each of the two workers: while one holds a request, the other answers."""
    with herd.connect() as connection:
        held = connection.start(uri="/hold")
        with fifo.wait_reader():
            other = values(herd.request())
        first = values(connection.read_response(held))
    assert first["pid"] != other["pid"]
    return [first, other]


def assert_all_differ(answers):
    for name in answers[0]:
        if name not in ("pid", "loaded"):
            assert len({answer[name] for answer in answers}) == len(answers), name


def test_the_first_random_values_of_two_workers_differ_and_those_of_the_next_generation_too(cowherd):
    fifo = cowherd.fifo()
    cowherd.app(APP % (4711, fifo))
    cowherd.start()
    answers = first_values(cowherd, fifo)
    assert cowherd.reload().returncode == 0
    cowherd.wait_generation(2)
    answers += first_values(cowherd, fifo)
    assert len({answer["pid"] for answer in answers}) == 4
    assert len({answer["loaded"] for answer in answers}) == 1, "what was drawn while loading, from a seed, is the same"
    assert_all_differ(answers)


def test_a_respawned_worker_draws_other_values_than_the_one_before(cowherd):
    cowherd.deaths_expected = True
    cowherd.configure(workers=1)
    cowherd.app(APP % (1, cowherd.fifo()))
    cowherd.start()
    answers = [values(cowherd.request())]
    for _ in range(2):
        pid = int(answers[-1]["pid"])
        os.kill(pid, 9)
        cowherd.wait_until(lambda: cowherd.worker_pids() - {pid} and cowherd.workers()[0]["state"] == "idle")
        answers.append(values(cowherd.request()))
    assert_all_differ(answers)


def test_interpreters_of_one_worker_differ(cowherd):
    fifo = cowherd.fifo()
    cowherd.configure(workers=1)
    for name in "ab":
        cowherd.app(APP % (5, fifo), host=name + ".test")
    cowherd.start()
    assert_all_differ([values(cowherd.request(host=name + ".test")) for name in "ab"])
