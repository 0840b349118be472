module RackRequestTest
  def self.request(uri = '/', options = {})
    Rack::Request.new(Rack::MockRequest.env_for(uri, options))
  end
end

assert('Rack::Request: what was asked') do
  request = RackRequestTest.request('https://example.org:8443/a/b?c=d',
                                    script_name: '/app', 'CONTENT_TYPE' => 'Text/Plain; charset=utf-8',
                                    'HTTP_REFERER' => 'http://r/', 'HTTP_USER_AGENT' => 'ua',
                                    'HTTP_X_REQUESTED_WITH' => 'XMLHttpRequest')
  assert_equal 'GET', request.request_method
  assert_true request.get? && !request.post? && !request.head? && request.xhr? && request.ssl?
  assert_equal '/app', request.script_name
  assert_equal '/a/b', request.path_info
  assert_equal '/app/a/b', request.path
  assert_equal '/app/a/b?c=d', request.fullpath
  assert_equal 'https://example.org:8443/app/a/b?c=d', request.url
  assert_equal 'https://example.org:8443', request.base_url
  assert_equal 'text/plain', request.media_type
  assert_equal 'utf-8', request.content_charset
  assert_equal %w[http://r/ ua], [request.referrer, request.user_agent]
  assert_equal 'c=d', request.query_string
  assert_nil RackRequestTest.request('/', 'CONTENT_TYPE' => '').content_type
  assert_true RackRequestTest.request('/', method: :delete).delete?
end

assert('Rack::Request: host and port') do
  {
    { 'HTTP_HOST' => 'www.example.org' } => ['www.example.org', 'www.example.org', 80, 'www.example.org'],
    { 'HTTP_HOST' => 'www.example.org:81' } => ['www.example.org', 'www.example.org', 81, 'www.example.org:81'],
    { 'HTTP_HOST' => 'www.example.org:80' } => ['www.example.org', 'www.example.org', 80, 'www.example.org'],
    { 'HTTP_HOST' => '[::1]:9292' } => ['[::1]', '::1', 9292, '[::1]:9292'],
    { 'HTTP_HOST' => '[::1]' } => ['[::1]', '::1', 80, '[::1]'],
    { 'SERVER_NAME' => 'me', 'SERVER_PORT' => '9292' } => ['me', 'me', 9292, 'me:9292'],
    { 'HTTP_HOST' => 'in:8080', 'HTTP_X_FORWARDED_HOST' => 'a.example, out.example' } =>
      ['out.example', 'out.example', 80, 'out.example'],
    { 'HTTP_HOST' => 'in', 'HTTP_X_FORWARDED_HOST' => 'out', 'HTTP_X_FORWARDED_PORT' => '9393' } =>
      ['out', 'out', 9393, 'out'],
    { 'HTTP_HOST' => 'in', 'HTTP_FORWARDED' => 'for=1.2.3.4; host=out.example:82' } =>
      ['out.example', 'out.example', 82, 'out.example:82']
  }.each do |headers, expected|
    request = RackRequestTest.request('/', headers)
    assert_equal expected, [request.host, request.hostname, request.port, request.host_with_port], headers
  end
end

assert('Rack::Request: scheme') do
  {
    {} => 'http',
    { 'HTTPS' => 'on' } => 'https',
    { 'rack.url_scheme' => 'https' } => 'https',
    { 'HTTP_X_FORWARDED_SSL' => 'on' } => 'https',
    { 'HTTP_X_FORWARDED_PROTO' => 'http, https' } => 'https',
    { 'HTTP_X_FORWARDED_PROTO' => 'https, nonsense' } => 'https',
    { 'HTTP_X_FORWARDED_PROTO' => 'a"><script>' } => 'http',
    { 'HTTP_X_FORWARDED_SCHEME' => 'https' } => 'https',
    { 'HTTP_FORWARDED' => 'proto=https', 'HTTP_X_FORWARDED_PROTO' => 'http' } => 'https'
  }.each do |headers, scheme|
    request = RackRequestTest.request('/', headers)
    assert_equal [scheme, scheme == 'https'], [request.scheme, request.ssl?], headers
  end
  assert_true RackRequestTest.request('/', 'rack.url_scheme' => 'wss').ssl?
end

assert('Rack::Request: ip') do
  {
    ['1.2.3.4', nil] => '1.2.3.4',
    ['127.0.0.1', '3.4.5.6'] => '3.4.5.6',
    ['10.0.0.1', '9.9.9.9, 3.4.5.6, 192.168.0.1,10.0.0.2'] => '3.4.5.6',
    ['1.2.3.4', '3.4.5.6'] => '1.2.3.4',
    ['unix:/tmp/x', '3.4.5.6'] => '3.4.5.6',
    ['127.0.0.1', 'unknown,10.0.0.1'] => 'unknown',
    ['127.0.0.1', '10.0.0.1, 192.168.0.1'] => '10.0.0.1',
    ['127.0.0.1', nil] => '127.0.0.1',
    ['::1', '2001:db8::1'] => '2001:db8::1',
    ['::1', '[2001:db8::1]:47011'] => '2001:db8::1',
    ['172.16.0.1', '3.4.5.6:1234'] => '3.4.5.6',
    ['fd00::1', '3.4.5.6'] => '3.4.5.6'
  }.each do |(remote, forwarded), ip|
    headers = { 'REMOTE_ADDR' => remote }
    headers['HTTP_X_FORWARDED_FOR'] = forwarded if forwarded
    assert_equal ip, RackRequestTest.request('/', headers).ip, headers
  end
  assert_equal '3.4.5.6', RackRequestTest.request('/', 'REMOTE_ADDR' => '::1', 'HTTP_FORWARDED' => 'for=3.4.5.6').ip
  request = RackRequestTest.request
  %w[127.9.9.9 10.1.2.3 172.31.0.1 192.168.3.4 ::1 fc00::1 fdab::2 localhost LOCALHOST unix unix:/x].each do |address|
    assert_true request.trusted_proxy?(address), address
  end
  %w[128.0.0.1 172.32.0.1 193.168.3.4 10.0.0.256 127.0.0.1.x 10.0.0 localhost.example fe80::1 fd0::1
     2001:db8::1].each do |address|
    assert_false request.trusted_proxy?(address), address
  end
end

assert('Rack::Request: parameters of query and body') do
  request = RackRequestTest.request('/?a=1&b=2', method: 'POST', params: { 'b' => '3', 'c' => { 'd' => ['4'] } })
  assert_equal({ 'a' => '1', 'b' => '2' }, request.GET)
  assert_equal({ 'b' => '3', 'c' => { 'd' => ['4'] } }, request.POST)
  assert_equal({ 'a' => '1', 'b' => '3', 'c' => { 'd' => ['4'] } }, request.params)
  assert_equal ['1', '3'], request.values_at('a', 'b')
  assert_equal '1', request[:a]
  assert_true request.POST.equal?(Rack::Request.new(request.env).POST)
  request.update_param('b', '5')
  request.update_param('e', '6')
  assert_equal %w[5 5 6], [request.GET['b'], request.POST['b'], request.GET['e']]
  assert_equal '5', request.delete_param('b')
  assert_nil request.params['b']
end

assert('Rack::Request: bodies that are no form') do
  json = RackRequestTest.request('/', method: 'POST', input: '{}', 'CONTENT_TYPE' => 'application/json')
  assert_equal({}, json.POST)
  assert_equal '{}', json.body.read
  assert_false json.form_data?
  assert_equal({ 'a' => '1' }, RackRequestTest.request('/', method: 'POST', input: 'a=1').POST)
  assert_equal({}, RackRequestTest.request('/', method: 'PUT', input: 'a=1').POST)
  assert_equal({}, RackRequestTest.request('/', method: 'POST').POST)
  assert_equal({ 'a' => "1" }, RackRequestTest.request('/', method: 'POST', input: "a=1\0").POST)
end

assert('Rack::Request: a form that is refused is refused again') do
  request = RackRequestTest.request('/', method: 'POST', input: 'a=%zz')
  assert_raise(Rack::Utils::InvalidParameterError) { request.POST }
  assert_raise(Rack::Utils::InvalidParameterError) { Rack::Request.new(request.env).params }
  huge = RackRequestTest.request('/', method: 'POST', input: "a=#{'x' * 4_200_000}")
  assert_raise(Rack::QueryParser::QueryLimitError) { huge.POST }
end

assert('Rack::Request: cookies, session, headers') do
  request = RackRequestTest.request('/', 'HTTP_COOKIE' => 'a=1; b=%41')
  assert_equal({ 'a' => '1', 'b' => 'A' }, request.cookies)
  assert_true request.cookies.equal?(request.cookies)
  request.set_header('HTTP_COOKIE', 'c=2')
  assert_equal({ 'c' => '2' }, request.cookies)
  assert_equal({}, RackRequestTest.request.cookies)
  request.session['user'] = 'x'
  assert_equal({ 'user' => 'x' }, request.env['rack.session'])
  request.add_header('HTTP_ACCEPT', 'a/b')
  request.add_header('HTTP_ACCEPT', 'c/d')
  assert_equal 'a/b,c/d', request.get_header('HTTP_ACCEPT')
  copy = request.dup
  copy.set_header('x', 'y')
  assert_nil request.get_header('x')
  request = RackRequestTest.request('/', 'HTTP_ACCEPT_ENCODING' => 'gzip, br;q=0.5')
  assert_equal [['gzip', 1.0], ['br', 0.5]], request.accept_encoding
  assert_equal [], request.accept_language
end
