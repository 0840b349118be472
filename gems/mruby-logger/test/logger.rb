# The time and the process are what they are.
def logged(io)
  io.string.split("\n").map do |line|
    opening = line.index('[')
    closing = line.index(']')
    opening == 3 && closing ? line[0, 3] + line[closing + 2, line.size] : line
  end
end

assert('Logger: form of a line') do
  io = StringIO.new
  log = Logger.new(io, progname: 'diary')
  assert_true log.info('hello')
  line = io.string
  assert_equal 'I, [', line[0, 4]
  assert_equal "] #{' INFO'} -- diary: hello\n", line[line.index(']'), line.size]
  inside = line[4, line.index(']') - 4]
  assert_equal "#{Time.now.year}", inside[0, 4]
  assert_equal ['-', 'T', ':', '.', ' '], [4, 10, 13, 19, 26].map { |at| inside[at] }
  assert_equal "##{Process.pid}", inside.split(' ')[1]
end

assert('Logger: levels') do
  io = StringIO.new
  log = Logger.new(io, level: :warn)
  [:debug, :info, :warn, :error, :fatal, :unknown].each { |name| log.__send__(name, name.to_s) }
  assert_equal ['W,  WARN -- : warn', 'E, ERROR -- : error', 'F, FATAL -- : fatal', 'A,   ANY -- : unknown'], logged(io)
  assert_false log.info?
  assert_true log.warn?
  log.level = 'DEBUG'
  assert_equal Logger::DEBUG, log.level
  log.error!
  assert_false log.warn?
  log.level = Logger::FATAL
  assert_false log.error?
  assert_raise_with_message(ArgumentError, 'invalid log level: loud') { log.level = :loud }
end

assert('Logger: blocks are called when they are needed') do
  io = StringIO.new
  log = Logger.new(io, level: Logger::INFO)
  called = false
  log.debug { called = true }
  assert_false called
  log.info('part') { 'made' }
  log.add(Logger::ERROR, 'said', 'other')
  log.add(nil) { :symbol }
  log.log(Logger::WARN, nil, 'as message')
  assert_equal ['I,  INFO -- part: made', 'E, ERROR -- other: said', 'A,   ANY -- : :symbol', 'W,  WARN -- : as message'],
               logged(io)
end

assert('Logger: formatter, exceptions and <<') do
  io = StringIO.new
  log = Logger.new(io, formatter: ->(severity, time, progname, message) { "#{severity} #{time.class} #{progname} #{message}\n" })
  log.warn('text')
  assert_equal "WARN Time  text\n", io.string
  log.formatter = nil
  io.reopen('')
  begin
    raise ArgumentError, 'wrong'
  rescue => error
    log.error(error)
  end
  assert_equal 'E, ERROR -- : wrong (ArgumentError)', logged(io)[0]
  assert_true logged(io)[1].include?('logger.rb')
  io.reopen('')
  assert_same log, log << 'as it is'
  assert_equal 'as it is', io.string
end

assert('Logger: to a file') do
  Dir.mktmpdir do |folder|
    path = "#{folder}/app.log"
    log = Logger.new(path)
    assert_false File.exist?(path)
    log.info('one')
    log.info('two')
    assert_equal 2, File.readlines(path).size
    File.rename(path, "#{path}.1")
    log.info('three')
    assert_equal 3, File.readlines("#{path}.1").size
    log.reopen
    log.info('four')
    assert_equal 1, File.readlines(path).size
    log.close
    Logger.new(path).info('five')
    assert_equal 2, File.readlines(path).size
  end
end

assert('Logger: nowhere, and where nothing can be written') do
  assert_true Logger.new(nil).info('lost')
  assert_raise(ArgumentError) { Logger.new(1) }
  assert_raise(ArgumentError) { Logger.new('x', 'daily') }
  $stderr, before = StringIO.new, $stderr
  begin
    log = Logger.new('/nowhere/at/all')
    assert_true log.info('x')
    assert_true $stderr.string.start_with?('log writing failed. No such file')
  ensure
    $stderr = before
  end
end
