module RackLintTest
  # What a body reads from and is written to, and what rack.errors keeps.
  class Input
    def initialize(lines = [])
      @lines = lines
    end

    def gets
      @lines.shift
    end

    def read(length = nil, buffer = nil)
      text = @lines.join
      @lines = []
      length && text.empty? ? nil : text
    end

    def each
      while line = gets
        yield line
      end
    end

    def close; end
  end

  class Errors
    def puts(text) end
    def write(text) end
    def flush; end
  end

  class Session
    def store(key, value) end
    def []=(key, value) end
    def fetch(key, default = nil) end
    def [](key) end
    def delete(key) end
    def clear; end
    def to_hash; {} end
  end

  class Stream
    attr_reader :text

    def initialize
      @text = ''
      @closed = false
    end

    def read(*) 'in' end
    def write(*texts) @text += texts.join end
    def <<(text) @text += text; self end
    def flush; end
    def close; @closed = true end
    def close_read; end
    def close_write; end
    def closed?; @closed end
  end

  # Yields its chunks; counts.
  class Body
    attr_reader :closes

    def initialize(*chunks)
      @chunks = chunks
      @closes = 0
    end

    def each
      @chunks.each { |chunk| yield chunk }
    end

    def close
      @closes += 1
    end
  end

  class ArrayBody < Body
    def initialize(array, *chunks)
      super(*chunks)
      @array = array
    end

    def to_ary
      @array
    end
  end

  class FileBody < Body
    def initialize(path)
      super('x')
      @path = path
    end

    def to_path
      @path
    end
  end

  def self.env(more = {})
    {
      'REQUEST_METHOD' => 'GET', 'SCRIPT_NAME' => '', 'PATH_INFO' => '/', 'QUERY_STRING' => '',
      'SERVER_NAME' => 'localhost', 'SERVER_PORT' => '80', 'SERVER_PROTOCOL' => 'HTTP/1.1',
      'rack.url_scheme' => 'http', 'rack.input' => Input.new, 'rack.errors' => Errors.new
    }.merge(more)
  end

  def self.app(response = [200, {}, ['ok']], &block)
    block || ->(env) { response }
  end

  def self.lint(app, env = self.env)
    Rack::Lint.new(app).call(env)
  end

  # The message of the LintError; nil without one.
  def self.complaint
    yield
    nil
  rescue Rack::Lint::LintError => error
    error.message
  end

  def self.env_complaint(more)
    complaint { lint(app, env(more)) }
  end

  def self.response_complaint(*response)
    complaint { lint(app(response)) }
  end

  # The body that a server gets.
  def self.body(body, headers = {}, more = {})
    lint(app([200, headers, body]), env(more))[2]
  end

  def self.drain(body)
    text = ''
    body.each { |chunk| text += chunk }
    body.close
    text
  end
end

assert('Rack::Lint passes what keeps the rules') do
  status, headers, body = RackLintTest.lint(RackLintTest.app([200, { 'content-type' => 'a/b' }, ['o', 'k']]))
  assert_equal [200, { 'content-type' => 'a/b' }], [status, headers]
  assert_equal %w[o k], body.to_ary
  assert_equal 'ab', RackLintTest.drain(RackLintTest.body(RackLintTest::Body.new('a', 'b')))
end

assert('Rack::Lint::LintError is a RuntimeError') do
  assert_equal RuntimeError, Rack::Lint::LintError.superclass
  assert_equal 'No env given', RackLintTest.complaint { Rack::Lint.new(RackLintTest.app).call }
end

assert('Rack::Lint wants an unfrozen Hash for env') do
  assert_equal 'env [] is not a Hash, but Array', RackLintTest.complaint { RackLintTest.lint(RackLintTest.app, []) }
  frozen = RackLintTest.env.freeze
  assert_equal 'env should not be frozen, but is', RackLintTest.complaint { RackLintTest.lint(RackLintTest.app, frozen) }
end

%w[REQUEST_METHOD SERVER_NAME QUERY_STRING SERVER_PROTOCOL rack.errors].each do |key|
  assert("Rack::Lint misses #{key}") do
    env = RackLintTest.env
    env.delete(key)
    complaint = RackLintTest.complaint { RackLintTest.lint(RackLintTest.app, env) }
    assert_equal "env missing required key #{key}", complaint
  end
end

{
  'a port that is no number' => [{ 'SERVER_PORT' => 'http' }, 'env[SERVER_PORT] is not an Integer'],
  'a name that is no authority' => [{ 'SERVER_NAME' => 'a b' }, 'a b must be a valid authority'],
  'a name with two ports' => [{ 'SERVER_NAME' => 'a:1:2' }, 'a:1:2 must be a valid authority'],
  'a host that is no authority' => [{ 'HTTP_HOST' => 'a/b' }, 'a/b must be a valid authority'],
  'a host with an open bracket' => [{ 'HTTP_HOST' => '[::1' }, '[::1 must be a valid authority'],
  'a protocol without a version' => [{ 'SERVER_PROTOCOL' => 'HTTP' }, 'env[SERVER_PROTOCOL] does not match HTTP/\d(\.\d)?'],
  'HTTP_CONTENT_TYPE' => [{ 'HTTP_CONTENT_TYPE' => 'a/b' }, 'env contains HTTP_CONTENT_TYPE, must use CONTENT_TYPE'],
  'HTTP_CONTENT_LENGTH' => [{ 'HTTP_CONTENT_LENGTH' => '1' }, 'env contains HTTP_CONTENT_LENGTH, must use CONTENT_LENGTH'],
  'a value that is no String' => [{ 'HTTP_X' => 1 }, 'env variable HTTP_X has non-string value 1'],
  'a key that is no String' => [{ 1 => 'x' }, 'env key 1 is not a String'],
  'another scheme' => [{ 'rack.url_scheme' => 'ftp' }, 'rack.url_scheme unknown: "ftp"'],
  'a method that is no token' => [{ 'REQUEST_METHOD' => 'G T' }, 'REQUEST_METHOD unknown: "G T"'],
  'an empty method' => [{ 'REQUEST_METHOD' => '' }, 'REQUEST_METHOD unknown: ""'],
  'a script name without a slash' => [{ 'SCRIPT_NAME' => 'x' }, 'SCRIPT_NAME must start with /'],
  'a script name that is a slash' => [{ 'SCRIPT_NAME' => '/' }, "SCRIPT_NAME cannot be '/', make it '' and PATH_INFO '/'"],
  'a path without a slash' => [{ 'PATH_INFO' => 'x' }, "PATH_INFO must start with a '/' (origin-form)"],
  'an asterisk with GET' => [{ 'PATH_INFO' => '*' }, "Only OPTIONS requests may have PATH_INFO set to '*' (asterisk-form)"],
  'an authority with GET' => [
    { 'PATH_INFO' => 'a:1' }, 'Only CONNECT requests may have PATH_INFO set to an authority (authority-form)'
  ],
  'a URI with OPTIONS' => [
    { 'PATH_INFO' => 'http://a/', 'REQUEST_METHOD' => 'OPTIONS' },
    'CONNECT and OPTIONS requests must not have PATH_INFO set to a URI (absolute-form)'
  ],
  'a length that is no number' => [{ 'CONTENT_LENGTH' => '1x' }, 'Invalid CONTENT_LENGTH: 1x'],
  'rack.protocol' => [{ 'rack.protocol' => 'x' }, 'rack.protocol must be an Array of Strings'],
  'rack.logger' => [{ 'rack.logger' => 1 }, 'logger 1 must respond to info'],
  'rack.session' => [{ 'rack.session' => 1 }, 'session 1 must respond to store and []='],
  'rack.hijack' => [{ 'rack.hijack' => 1 }, 'rack.hijack must respond to call'],
  'rack.early_hints' => [{ 'rack.early_hints' => 1 }, 'rack.early_hints must respond to call'],
  'rack.multipart.buffer_size' => [
    { 'rack.multipart.buffer_size' => 0 }, 'rack.multipart.buffer_size must be an Integer > 0 if specified'
  ],
  'rack.multipart.tempfile_factory' => [
    { 'rack.multipart.tempfile_factory' => 0 }, 'rack.multipart.tempfile_factory must respond to #call'
  ],
  'rack.response_finished' => [
    { 'rack.response_finished' => 1 }, 'rack.response_finished must be an array of callable objects'
  ],
  'rack.response_finished with something else' => [
    { 'rack.response_finished' => [1] }, 'rack.response_finished values must respond to call(env, status, headers, error)'
  ],
  'rack.input' => [{ 'rack.input' => 1 }, 'rack.input 1 does not respond to #each'],
  'rack.errors' => [{ 'rack.errors' => 1 }, 'rack.error 1 does not respond to #write']
}.each do |what, (more, message)|
  assert("Rack::Lint on env: #{what}") { assert_equal message, RackLintTest.env_complaint(more) }
end

assert('Rack::Lint on env: neither SCRIPT_NAME nor PATH_INFO') do
  env = RackLintTest.env
  env.delete('SCRIPT_NAME')
  env.delete('PATH_INFO')
  complaint = RackLintTest.complaint { RackLintTest.lint(RackLintTest.app, env) }
  assert_equal "One of SCRIPT_NAME or PATH_INFO must be set (make PATH_INFO '/' if SCRIPT_NAME is empty)", complaint
end

assert('Rack::Lint accepts every env that is right') do
  [
    { 'HTTP_HOST' => 'a.example:8080' }, { 'HTTP_HOST' => '[::1]:80' }, { 'SERVER_NAME' => '[::1]' },
    { 'SERVER_PROTOCOL' => 'HTTP/2' }, { 'PATH_INFO' => '' }, { 'PATH_INFO' => '/a#b' },
    { 'PATH_INFO' => '*', 'REQUEST_METHOD' => 'OPTIONS' }, { 'PATH_INFO' => 'a:1', 'REQUEST_METHOD' => 'CONNECT' },
    { 'rack.session' => RackLintTest::Session.new }, { 'rack.response_finished' => [->(*) {}] }
  ].each { |more| assert_nil RackLintTest.env_complaint(more) }
end

{
  'an Array of another size' => [[200, {}], 'response array has 2 elements instead of 3'],
  'a status that is a String' => [['200', {}, []], 'Status must be an Integer >=100'],
  'a status below 100' => [[99, {}, []], 'Status must be an Integer >=100'],
  'headers that are no Hash' => [[200, [], []], "headers object should be a hash, but isn't (got Array as headers)"],
  'frozen headers' => [[200, {}.freeze, []], 'headers object should not be frozen, but is'],
  'a name that is no String' => [[200, { 1 => 'x' }, []], 'header key must be a string, was Integer'],
  'a status header' => [[200, { 'status' => '200' }, []], 'header must not contain status'],
  'a name that is no token' => [[200, { 'a b' => 'x' }, []], 'invalid header name: a b'],
  'a name with capitals' => [[200, { 'Content-Type' => 'x' }, []], 'uppercase character in header name: Content-Type'],
  'a value that is no String' => [
    [200, { 'a' => 1 }, []], "a header value must be a String or Array of Strings, but the value of 'a' is a Integer"
  ],
  'an Array with something else' => [
    [200, { 'a' => ['x', 1] }, []], "a header value must be a String or Array of Strings, but the value of 'a' has a Integer"
  ],
  'a value with a line break' => [[200, { 'a' => "x\ny" }, []], 'invalid header value a: "x\ny"'],
  'a value with NUL' => [[200, { 'a' => ["x\0"] }, []], 'invalid header value a: "x\x00"'],
  'a type on 204' => [[204, { 'content-type' => 'x' }, []], 'content-type header found in 204 response, not allowed'],
  'a length on 304' => [[304, { 'content-length' => '0' }, []], 'content-length header found in 304 response, not allowed'],
  'a hijack' => [
    [200, { 'rack.hijack' => ->(io) {} }, []],
    'rack.hijack header must not be present if server does not support hijacking'
  ],
  'a protocol' => [
    [200, { 'rack.protocol' => 'x' }, []], 'rack.protocol header is "x", but rack.protocol was not set in request!'
  ],
  'a String for body' => [[200, {}, 'text'], 'Body must respond to each or call, but is a String'],
  'no body' => [[200, {}, nil], 'Body must respond to each or call, but is a NilClass']
}.each do |what, (response, message)|
  assert("Rack::Lint on the response: #{what}") { assert_equal message, RackLintTest.response_complaint(*response) }
end

assert('Rack::Lint on the response: no Array, or a frozen one') do
  assert_equal 'response is not an Array, but NilClass', RackLintTest.complaint { RackLintTest.lint(->(env) {}) }
  frozen = RackLintTest.complaint { RackLintTest.lint(->(env) { [200, {}, []].freeze }) }
  assert_equal 'response is frozen', frozen
end

assert('Rack::Lint on the response: what the app put into rack.response_finished') do
  app = ->(env) { env['rack.response_finished'] << 1; [200, {}, []] }
  complaint = RackLintTest.complaint { RackLintTest.lint(app, RackLintTest.env('rack.response_finished' => [])) }
  assert_equal 'rack.response_finished values must respond to call(env, status, headers, error)', complaint
end

assert('Rack::Lint on the response: rack.protocol of the request') do
  more = { 'rack.protocol' => %w[a b] }
  app = ->(env) { [101, { 'rack.protocol' => 'c' }, []] }
  complaint = RackLintTest.complaint { RackLintTest.lint(app, RackLintTest.env(more)) }
  assert_equal 'rack.protocol header is "c", but should be one of ["a", "b"] from the request!', complaint
  app = ->(env) { [101, { 'rack.protocol' => 'b' }, []] }
  assert_nil RackLintTest.complaint { RackLintTest.lint(app, RackLintTest.env(more)) }
end

assert('Rack::Lint wraps rack.input') do
  input = nil
  app = ->(env) { input = env['rack.input']; [200, {}, []] }
  RackLintTest.lint(app, RackLintTest.env('rack.input' => RackLintTest::Input.new(%W[a\n b])))
  {
    'rack.input#gets called with arguments' => -> { input.gets("\n") },
    'rack.input#read called with too many arguments' => -> { input.read(1, '', 2) },
    'rack.input#read called with non-integer and non-nil length' => -> { input.read('1') },
    'rack.input#read called with a negative length' => -> { input.read(-1) },
    'rack.input#read called with non-String buffer' => -> { input.read(1, nil) },
    'rack.input#each called with arguments' => -> { input.each(1) {} },
    'rack.input#each called without a block' => -> { input.each }
  }.each { |message, misuse| assert_equal message, RackLintTest.complaint(&misuse) }
  assert_equal "a\n", input.gets
  assert_equal 'b', input.read
  assert_equal '', input.read
  assert_nil input.read(1)
  assert_nil input.close
end

assert('Rack::Lint sees what rack.input gives') do
  input = Object.new
  def input.gets; 1 end
  def input.read(*) end
  def input.each; yield 1 end
  wrapper = nil
  RackLintTest.lint(->(env) { wrapper = env['rack.input']; [200, {}, []] }, RackLintTest.env('rack.input' => input))
  assert_equal "rack.input#gets didn't return a String", RackLintTest.complaint { wrapper.gets }
  assert_equal 'rack.input#read(nil) returned nil on EOF', RackLintTest.complaint { wrapper.read }
  assert_equal "rack.input#each didn't yield a String", RackLintTest.complaint { wrapper.each {} }
end

assert('Rack::Lint wraps rack.errors') do
  errors = nil
  RackLintTest.lint(->(env) { errors = env['rack.errors']; [200, {}, []] })
  assert_equal 'rack.errors#write not called with a String', RackLintTest.complaint { errors.write(1) }
  assert_equal 'rack.errors#close must not be called', RackLintTest.complaint { errors.close }
  assert_nil RackLintTest.complaint { errors.puts(1); errors.write('x'); errors.flush }
end

assert('Rack::Lint wants a body to be called once, and not after its close') do
  body = RackLintTest.body(RackLintTest::Body.new('a'))
  body.each {}
  assert_equal 'Response body must only be invoked once (each)', RackLintTest.complaint { body.each {} }
  body = RackLintTest.body(RackLintTest::Body.new('a'))
  body.close
  assert_equal 'Response body is already closed', RackLintTest.complaint { body.each {} }
  body = RackLintTest.body(->(stream) {})
  body.close
  assert_equal 'Response body is already closed', RackLintTest.complaint { body.call(RackLintTest::Stream.new) }
end

assert('Rack::Lint wants Strings of a body, as many as were announced') do
  body = RackLintTest.body(RackLintTest::Body.new('a', 1))
  assert_equal 'Body yielded non-string value 1', RackLintTest.complaint { body.each {} }
  body = RackLintTest.body(RackLintTest::Body.new("\u3042"), 'content-length' => '1')
  assert_equal 'content-length header was 1, but should be 3', RackLintTest.complaint { body.each {} }
  body = RackLintTest.body(['abc'], 'content-length' => '4')
  assert_equal 'content-length header was 4, but should be 3', RackLintTest.complaint { body.to_ary }
  body = RackLintTest.body(['a', nil])
  assert_equal 'Body yielded non-string value nil', RackLintTest.complaint { body.to_ary }
  body = RackLintTest.body(RackLintTest::Body.new('a'), {}, 'REQUEST_METHOD' => 'HEAD')
  complaint = RackLintTest.complaint { body.each {} }
  assert_equal 'Response body was given for HEAD request, but should be empty', complaint
end

assert('Rack::Lint closes the body once') do
  inner = RackLintTest::ArrayBody.new(['a'], 'a')
  body = RackLintTest.body(inner)
  assert_equal ['a'], body.to_ary
  assert_equal 1, inner.closes
  body.close
  assert_equal 1, inner.closes
end

assert('Rack::Lint compares to_ary with each') do
  body = RackLintTest.body(RackLintTest::ArrayBody.new(['a'], 'b'))
  complaint = RackLintTest.complaint { body.to_ary }
  assert_equal '#to_ary not identical to contents produced by calling #each', complaint
  body = RackLintTest.body(RackLintTest::ArrayBody.new('a', 'a'))
  assert_equal '#to_ary must return an Array, but returned String', RackLintTest.complaint { body.to_ary }
end

assert('Rack::Lint looks for the file of to_path') do
  missing = 'The file identified by body.to_path does not exist'
  assert_equal missing, RackLintTest.complaint { RackLintTest.body(RackLintTest::FileBody.new('/no/such')).to_path }
  assert_equal missing, RackLintTest.complaint { RackLintTest.body(RackLintTest::FileBody.new('/no/such')).each {} }
  body = RackLintTest.body(RackLintTest::FileBody.new(1))
  assert_equal 'body.to_path must return nil or a String, but returned 1', RackLintTest.complaint { body.to_path }
  assert_equal '/', RackLintTest.body(RackLintTest::FileBody.new('/')).to_path
  assert_nil RackLintTest.body(RackLintTest::FileBody.new(nil)).to_path
end

assert('Rack::Lint wraps the stream') do
  body = RackLintTest.body(->(stream) { stream << 'a'; stream.write('b', stream.read(1)); stream.close })
  stream = RackLintTest::Stream.new
  body.call(stream)
  assert_equal 'abin', stream.text
  assert_true stream.closed?
  assert_equal 'Response body must only be invoked once (call)', RackLintTest.complaint { body.call(stream) }
  body = RackLintTest.body(->(stream) {})
  assert_equal 'Stream must respond to read', RackLintTest.complaint { body.call(Object.new) }
end

assert('Rack::Lint makes a body what the one behind it is') do
  assert_equal [true, false, false, false],
               %i[each call to_ary to_path].map { |name| RackLintTest.body(RackLintTest::Body.new).respond_to?(name) }
  assert_equal [false, true, false, false],
               %i[each call to_ary to_path].map { |name| RackLintTest.body(->(stream) {}).respond_to?(name) }
  assert_true RackLintTest.body([]).respond_to?(:to_ary)
  assert_true RackLintTest.body([]).respond_to?(:close)
end

assert('Rack::Lint around middleware that iterates') do
  class RackLintTest::Greedy
    def initialize(app) @app = app end

    def call(env)
      status, headers, body = @app.call(env)
      chunks = []
      body.each { |chunk| chunks << chunk }
      body.close
      [status, headers, chunks]
    end
  end
  inner = Rack::Lint.new(RackLintTest.app([200, {}, RackLintTest::Body.new('a')]))
  complaint = RackLintTest.complaint { RackLintTest.lint(RackLintTest::Greedy.new(inner)) }
  assert_equal 'Middleware must not call #each directly', complaint
end

assert('Rack::Lint around middleware that does not close') do
  class RackLintTest::Forgetful < RackLintTest::Body
    def initialize(body)
      super()
      @body = body
    end

    def each(&block) @body.each(&block) end
  end
  inner = Rack::Lint.new(RackLintTest.app([200, {}, RackLintTest::Body.new('a', 'b')]))
  app = ->(env) { status, headers, body = inner.call(env); [status, headers, RackLintTest::Forgetful.new(body)] }
  body = RackLintTest.lint(app)[2]
  text = ''
  body.each { |chunk| text += chunk }
  assert_equal 'ab', text
  assert_equal 'Body has not been closed', RackLintTest.complaint { body.close }
end
