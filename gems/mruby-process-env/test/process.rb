assert('Process.pid and ppid') do
  assert_equal IO.popen('echo $PPID') { |io| io.read.to_i }, Process.pid
  assert_true Process.ppid > 0
  assert_equal Process.pid, Process.pid
end

assert('Process.clock_gettime') do
  before = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  assert_kind_of Float, before
  assert_true Process.clock_gettime(Process::CLOCK_MONOTONIC) >= before
  nanoseconds = Process.clock_gettime(Process::CLOCK_MONOTONIC, :nanosecond)
  assert_kind_of Integer, nanoseconds
  assert_true nanoseconds >= (before * 1_000_000).to_i * 1000
  milliseconds = Process.clock_gettime(Process::CLOCK_REALTIME, :millisecond)
  assert_true milliseconds <= Process.clock_gettime(Process::CLOCK_REALTIME, :microsecond) / 1000
  assert_true Process.clock_gettime(Process::CLOCK_REALTIME, :second) <= Time.now.to_i
  assert_true Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID, :float_millisecond) > 0
  assert_true Process.clock_getres(Process::CLOCK_MONOTONIC) < 1
  assert_raise_with_message(ArgumentError, 'unexpected unit: week') { Process.clock_gettime(0, :week) }
  assert_raise(Errno::EINVAL) { Process.clock_gettime(99) }
end

assert('Process::Status') do
  IO.popen('exit 3') { |io| io.read }
  assert_kind_of Process::Status, $?
  assert_equal 3, $?.exitstatus
  assert_false $?.success?
  IO.popen('kill -9 $$') { |io| io.read }
  assert_true $?.signaled?
  assert_equal 9, $?.termsig
  assert_nil $?.success?
end

assert('Process has nothing that ends a worker') do
  [:fork, :exec, :kill, :daemon, :setuid].each { |name| assert_false Process.respond_to?(name) }
end
