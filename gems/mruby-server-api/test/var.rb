{ 'remote_addr' => '198.51.100.7', 'remote_port' => '54430', 'remote_user' => 'ann', 'server_addr' => '192.0.2.1',
  'server_port' => '8001', 'server_name' => 'example.org', 'server_protocol' => 'HTTP/1.1', 'request_method' => 'GET',
  'request_uri' => '/app/hello%20world?a=1&B=x%20y', 'uri' => '/app/hello world', 'document_uri' => '/app/hello world',
  'args' => 'a=1&B=x%20y', 'query_string' => 'a=1&B=x%20y', 'is_args' => '?', 'scheme' => 'http', 'https' => nil,
  'host' => 'www.example.org', 'hostname' => nil, 'request' => 'GET /app/hello%20world?a=1&B=x%20y HTTP/1.1',
  'request_filename' => '/srv/a.rb', 'document_root' => '/srv', 'realpath_root' => '/srv', 'content_type' => 'text/css',
  'content_length' => '2', 'http_host' => 'www.example.org:8001', 'http_user_agent' => 'curl/7.88', 'arg_a' => '1',
  'arg_b' => 'x%20y', 'arg_none' => nil, 'cookie_id' => '42', 'cookie_theme' => 'dark', 'cookie_none' => nil,
  'geoip_country_code' => 'JP', 'nginx_version' => '1.22.1', 'status' => '200', 'request_body' => '',
  'sent_http_x_a' => nil, 'no_such_variable' => nil }.each do |name, expected|
  assert("Var##{name}: #{expected.inspect}") do
    more = { 'REMOTE_USER' => 'ann', 'SCRIPT_FILENAME' => '/srv/a.rb', 'DOCUMENT_ROOT' => '/srv',
             'CONTENT_TYPE' => 'text/css', 'CONTENT_LENGTH' => '2', 'GEOIP_COUNTRY_CODE' => 'JP' }
    value = ServerTest.ask(more) { Nginx::Var.new.__send__(name) }
    expected.nil? ? assert_nil(value) : assert_equal(expected, value)
  end
end

assert('Var#msec: seconds with three digits') do
  seconds, digits = ServerTest.ask { Nginx::Var.new.msec }.split('.')
  assert_equal 3, digits.length
  assert_equal '', seconds.tr('0-9', '')
end

assert('Var#pid: of this process') do
  assert_true ServerTest.ask { Nginx::Var.new.pid }.to_i > 0
end

assert('Var#method_missing: no method of anybody stands in the way') do
  more = { 'FORMAT' => 'a', 'CLASS' => 'b', 'HASH' => 'c', 'SERVER_TEST_GET' => 'd' }
  assert_equal %w[a b c d], ServerTest.ask(more) {
    var = Nginx::Var.new
    [var.format, var.class, var.hash, var.server_test_get]
  }
  assert_raise(ArgumentError) { ServerTest.ask { Nginx::Var.new.uri('x') } }
end

assert('Var#set: for who comes later') do
  env = ServerTest.env
  ServerTest.run(:access, env) do
    var = Nginx::Var.new
    var.set 'Country', 'JP'
    var.backend = 12
    var.set 'args', 'q=2'
    nil
  end
  assert_equal %w[JP 12 q=2 q=2], ServerTest.answer(:content, env) {
    var = Nginx::Var.new
    [200, {}, [var.country, var.backend, var.args, var.query_string]]
  }[2]
  assert_equal %w[JP 12 q=2], [env['COUNTRY'], env['BACKEND'], env['QUERY_STRING']]
end

assert('Var#set: an authorizer tells the front end, too') do
  [['AUTHORIZER', { 'variable-country' => 'JP' }], ['RESPONDER', nil], [nil, nil]].each do |role, headers|
    env = ServerTest.env('FCGI_ROLE' => role)
    assert_nil(ServerTest.run(:access, env) { Nginx::Var.new.set('Country', 'JP'); nil })
    headers.nil? ? assert_nil(Nginx.headers_for(env)) : assert_equal(headers, Nginx.headers_for(env))
  end
end

assert('Var#status, Var#body_bytes_sent, Var#request_time: in a log hook what was answered') do
  env = ServerTest.env('STATUS' => '404', 'BODY_BYTES_SENT' => '12', 'REQUEST_TIME' => '0.003')
  ServerTest.run(:log, env) do
    var = Nginx::Var.new
    assert_equal %w[404 12 0.003], [var.status, var.body_bytes_sent, var.request_time]
    assert_equal 404, Nginx::Request.new.status
  end
end

assert('Var#set: not what a request is') do
  names = %w[request_method uri scheme http_host arg_a cookie_id sent_http_x server_name remote_addr content_length]
  [*names, 'rack.input'].each do |name|
    assert_raise(ArgumentError) { ServerTest.ask { Nginx::Var.new.set(name, 'x') } }
  end
  ['', 'a b', "a\n", 'a=b'].each { |name| assert_raise(ArgumentError) { ServerTest.ask {
    Nginx::Var.new.set(name, 'x') } }
  }
  assert_raise(ArgumentError) { ServerTest.ask { Nginx::Var.new.set('country', "J\nP") } }
end

assert('Var#exist?: whether it has a value') do
  assert_equal [true, true, false], ServerTest.ask {
    var = Nginx::Var.new
    [var.exist?('uri'), var.exist?('http_host'), var.exist?('nobody')]
  }
end

assert('Var#sent_http_x_a: of the answer') do
  assert_equal ['1', 'a, b'], ServerTest.ask { |request|
    request.headers_out['X-A'] = 1
    request.headers_out['x-b'] = %w[a b]
    [request.var.sent_http_x_a, request.var.sent_http_x_b]
  }
end

assert('Var#respond_to?: whatever is asked') do
  assert_true ServerTest.ask { Nginx::Var.new.respond_to?(:anything) }
end

assert('Var#inspect: its class') do
  assert_equal '#<Cowherd::Server::Var>', ServerTest.ask { Nginx::Var.new.inspect }
end
