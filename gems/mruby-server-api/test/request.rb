def server_test_get(name, expected, value = nil, more = {}, &block)
  assert("Request##{name}: #{expected.inspect}") do
    assert_equal expected, ServerTest.ask(more) { |request| block ? block.call(request) : request.__send__(name) }
  end
end

# A setter: who comes later in the same request reads the new value, applications find it in the env.
def server_test_set(name, key, value = '/app/other')
  assert("Request##{name}=: applications see it as #{key}") do
    env = ServerTest.env
    given = value.dup
    ServerTest.run(:access, env) { Nginx::Request.new.__send__("#{name}=", given); given << ' changed'; nil }
    assert_equal value, ServerTest.answer(:content, env) { [200, {}, [Nginx::Request.new.__send__(name)]] }[2][0]
    assert_equal key == 'PATH_INFO' && name != 'path_info' ? value['/app'.length, 99] : value, env[key]
    ["a\0", "/app/\r", "/app/x\ny"].each do |bad|
      assert_raise(ArgumentError) { ServerTest.ask { |request| request.__send__("#{name}=", bad) } }
    end
  end
end

server_test_get('method', 'GET')
server_test_get('protocol', 'HTTP/1.1')
server_test_get('uri', '/app/hello world')
server_test_get('script_name', '/app')
server_test_get('path_info', '/hello world')
server_test_get('unparsed_uri', '/app/hello%20world?a=1&B=x%20y')
server_test_get('request_line', 'GET /app/hello%20world?a=1&B=x%20y HTTP/1.1')
server_test_get('the_request', 'GET /app/hello%20world?a=1&B=x%20y HTTP/1.1')
server_test_get('args', 'a=1&B=x%20y')
server_test_get('scheme', 'http')
server_test_get('authority', 'www.example.org:8001')
server_test_get('hostname', 'www.example.org')
server_test_get('filename', '/srv/a.rb', nil, 'SCRIPT_FILENAME' => '/srv/a.rb')
server_test_get('document_root', '/srv', nil, 'DOCUMENT_ROOT' => '/srv')
server_test_get('user', 'ann', nil, 'REMOTE_USER' => 'ann')
server_test_get('ap_auth_type', 'Basic', nil, 'AUTH_TYPE' => 'Basic')
server_test_get('content_length', 12, nil, 'CONTENT_LENGTH' => '12')
server_test_get('range', 'bytes=0-1', nil, 'HTTP_RANGE' => 'bytes=0-1')
server_test_get('header_only', 1, nil, 'REQUEST_METHOD' => 'HEAD')
server_test_get('read_body', 0)
%w[sub_request? main? prev? next? internal_redirect? external_redirect?].each { |name| server_test_get(name, false) }

server_test_set('method', 'REQUEST_METHOD', 'PUT')
server_test_set('protocol', 'SERVER_PROTOCOL', 'HTTP/1.0')
server_test_set('uri', 'PATH_INFO')
server_test_set('path_info', 'PATH_INFO')
server_test_set('unparsed_uri', 'REQUEST_URI')
server_test_set('args', 'QUERY_STRING', 'q=2')
server_test_set('filename', 'SCRIPT_FILENAME')
server_test_set('document_root', 'DOCUMENT_ROOT')
server_test_set('hostname', 'HTTP_HOST', 'other.example')
server_test_set('user', 'REMOTE_USER', 'bob')
server_test_set('ap_auth_type', 'AUTH_TYPE', 'Digest')

assert('Request#unparsed_uri: made up when nobody sent it') do
  assert_equal '/app/hello world?a=1&B=x%20y', ServerTest.ask('REQUEST_URI' => nil) { |request| request.unparsed_uri }
  assert_equal '/app/hello world', ServerTest.ask('REQUEST_URI' => nil, 'QUERY_STRING' => '') { |request|
    request.unparsed_uri
  }
end

assert('Request#uri=: nothing that is not below the application') do
  ['/other', '/apple', '/app', 'x', ''].each do |uri|
    assert_raise(ArgumentError) { ServerTest.ask { |request| request.uri = uri } }
  end
end

assert('Request#hostname: without a port, and from the server when the client says none') do
  { 'a.org' => 'a.org', 'a.org:80' => 'a.org', '[::1]:80' => '[::1]', '[::1]' => '[::1]', nil => 'example.org',
    '' => 'example.org' }.each do |host, expected|
    assert_equal expected, ServerTest.ask('HTTP_HOST' => host) { |request| request.hostname }
  end
end

assert('Request#env: the Rack env') do
  env = ServerTest.env
  assert_true ServerTest.answer(:content, env) { [200, {}, [Nginx::Request.new.env.equal?(env)]] }[2][0]
end

assert('Request#uri_args: a Hash of the query, undecoded') do
  assert_equal({ 'a' => '1', 'B' => 'x%20y' }, ServerTest.ask { |request| request.uri_args })
  assert_equal({ 'a' => '', 'b' => '', 'c' => '1=2' }, ServerTest.ask('QUERY_STRING' => 'a&b=&c=1=2&&') { |request|
    request.uri_args
  })
  assert_equal({}, ServerTest.ask('QUERY_STRING' => '') { |request| request.uri_args })
end

assert('Request#uri_args=: the query of a Hash') do
  assert_equal 'a=1&b=x', ServerTest.ask { |request| request.uri_args = { 'a' => 1, b: 'x' }; request.args }
  assert_raise(ArgumentError) { ServerTest.ask { |request| request.uri_args = 'a=1' } }
end

class ServerTestInput
  attr_reader :reads

  def initialize(text)
    @text = text
    @reads = 0
  end

  def read
    @reads += 1
    text, @text = @text, ''
    text
  end
end

%w[body get_body].each do |name|
  assert("Request##{name}: all of it, and again, and for who comes later") do
    input = ServerTestInput.new("a=1\n\0\xff b")
    env = ServerTest.env('rack.input' => input)
    ServerTest.run(:access, env) { 2.times { assert_equal "a=1\n\0\xff b", Nginx::Request.new.__send__(name) }; nil }
    body = ServerTest.answer(:content, env) { [200, {}, [Nginx::Request.new.__send__(name)]] }[2][0]
    assert_equal "a=1\n\0\xff b", body
    assert_equal 1, input.reads
    again = env['rack.input']
    assert_equal ["a=1\n", "\0\xff b", nil, ''], [again.gets, again.read(99), again.read(1), again.read]
    again.rewind
    buffer = 'x'
    assert_equal 'a=', again.read(2, buffer)
    assert_equal 'a=', buffer
    assert_equal '', again.read(0)
    lines = []
    again.each { |line| lines << line }
    assert_equal ["1\n", "\0\xff b"], lines
    assert_nil again.read(2, buffer)
    assert_equal '', buffer
    assert_raise(ArgumentError) { again.read(-1) }
    again.close
  end
end

assert('Request#body: empty without one') do
  assert_equal '', ServerTest.ask { |request| request.body }
end

assert('Request#post_args: a Hash of the body') do
  assert_equal({ 'a' => '1', 'b' => '2' }, ServerTest.ask('rack.input' => ServerTestInput.new('a=1&b=2')) { |request|
    request.post_args
  })
end

assert('Request#content_type=: of the answer') do
  assert_equal [200, { 'content-type' => 'text/html' }, ["<p>\n"]],
               ServerTest.answer { Nginx::Request.new.content_type = 'text/html'; Nginx.echo '<p>' }
end

assert('Request#content_type: of the answer') do
  assert_equal [nil, 'text/html'], ServerTest.ask('CONTENT_TYPE' => 'text/plain') { |request|
    before = request.content_type
    request.content_type = 'text/html'
    [before, request.content_type]
  }
end

assert('Request#content_encoding=: of the answer') do
  assert_equal({ 'content-encoding' => 'gzip' }, ServerTest.answer { Nginx::Request.new.content_encoding = 'gzip' }[1])
end

assert('Request#content_encoding: of the answer') do
  assert_equal 'gzip', ServerTest.ask { |request| request.content_encoding = 'gzip'; request.content_encoding }
end

assert('Request#status=: of the answer') do
  assert_equal 404, ServerTest.answer { Nginx::Request.new.status = 404 }[0]
end

assert('Request#status: of the answer') do
  assert_equal [200, 404], ServerTest.ask { |request|
    before = request.status
    Nginx.status_code = 404
    [before, request.status]
  }
end

%w[log error_log].each do |name|
  assert("Request##{name}: a line with its level") do
    errors = ServerTestErrors.new
    ServerTest.ask('rack.errors' => errors) { |request| request.__send__(name, Apache::APLOG_WARNING, 'careful') }
    assert_equal ['careful'], errors.lines
  end
end

assert('Request#headers_in: the headers of the request') do
  assert_equal 'curl/7.88', ServerTest.ask { |request| request.headers_in['User-Agent'] }
end

assert('Request#headers_out: the headers of the answer') do
  assert_equal({ 'x-a' => '1' }, ServerTest.answer { Nginx::Request.new.headers_out['X-A'] = '1' }[1])
end

assert('Request#var: the variables') do
  assert_equal '8001', ServerTest.ask { |request| request.var.server_port }
end

assert('Request#connection: the connection') do
  assert_equal '198.51.100.7', ServerTest.ask { |request| request.connection.remote_ip }
end

assert('Request#notes: what hooks of a request tell each other') do
  env = ServerTest.env
  ServerTest.run(:access, env) { Apache::Request.new.notes['who'] = [:ann]; nil }
  assert_equal [:ann], ServerTest.answer(:content, env) { [200, {}, Apache::Request.new.notes['who']] }[2]
  assert_nil ServerTest.ask { |request| request.notes['who'] }
end

assert('Notes#[]=: by a String or a Symbol') do
  assert_equal 1, ServerTest.ask { |request| request.notes[:a] = 1; request.notes['a'] }
end

assert('Notes#[]: nil for what nobody noted') do
  assert_nil ServerTest.ask { |request| request.notes['nobody'] }
end

{ 'remote_ip' => '198.51.100.7', 'remote_addr' => '198.51.100.7', 'remote_port' => '54430', 'local_ip' => '192.0.2.1',
  'local_addr' => '192.0.2.1', 'local_port' => '8001', 'local_host' => 'example.org', 'remote_host' => 'client.example',
  'remote_logname' => 'ann' }.each do |name, expected|
  assert("Connection##{name}: #{expected.inspect}") do
    more = { 'REMOTE_HOST' => 'client.example', 'REMOTE_IDENT' => 'ann' }
    assert_equal expected, ServerTest.ask(more) { Nginx::Connection.new.__send__(name) }
  end
end

assert('Connection#var: the variables') do
  assert_equal '54430', ServerTest.ask { Nginx::Connection.new.var.remote_port }
end

assert('Connection#env: the Rack env') do
  assert_equal 'GET', ServerTest.ask { Nginx::Connection.new.env['REQUEST_METHOD'] }
end
