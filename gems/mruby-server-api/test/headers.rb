assert('Headers_in#[]: whatever the case') do
  names = ['User-Agent', 'user-agent', 'USER-AGENT', 'User_Agent', :'user-agent']
  assert_equal ['curl/7.88'], ServerTest.ask { names.map { |name| Nginx::Headers_in.new[name] } }.uniq
  assert_equal 'text/css', ServerTest.ask('CONTENT_TYPE' => 'text/css') { Nginx::Headers_in.new['Content-Type'] }
  assert_equal '7', ServerTest.ask('CONTENT_LENGTH' => '7') { Nginx::Headers_in.new['content-length'] }
  assert_nil ServerTest.ask { Nginx::Headers_in.new['X-None'] }
end

assert('Headers_in#[]=: applications see it') do
  env = ServerTest.env
  ServerTest.run(:access, env) do
    headers = Nginx::Headers_in.new
    headers['X-User'] = 'ann'
    headers['X-Many'] = ['a', 'b']
    headers['Content-Type'] = 'text/css'
    headers['User-Agent'] = nil
    assert_equal 'a, b', headers['x-many']
    nil
  end
  assert_equal ['ann', 'a, b', 'text/css', false],
               [env['HTTP_X_USER'], env['HTTP_X_MANY'], env['CONTENT_TYPE'], env.key?('HTTP_USER_AGENT')]
  Nginx.clear
  ["a\r", "a\nb", "\0"].each do |bad|
    assert_raise(ArgumentError) { ServerTest.ask { Nginx::Headers_in.new['x'] = bad } }
  end
  assert_raise(ArgumentError) { ServerTest.ask { Nginx::Headers_in.new["x\n"] = 'a' } }
end

assert('Headers_in#delete: applications miss it') do
  env = ServerTest.env
  ServerTest.answer(:access, env) { assert_equal 'curl/7.88', Nginx::Headers_in.new.delete('user-agent'); nil }
  assert_false env.key?('HTTP_USER_AGENT')
end

assert('Headers_in#all: by their names in HTTP') do
  expected = { 'Host' => 'www.example.org:8001', 'User-Agent' => 'curl/7.88', 'Cookie' => 'id=42; Theme=dark',
               'Content-Type' => 'text/css' }
  assert_equal expected, ServerTest.ask('CONTENT_TYPE' => 'text/css') { Nginx::Headers_in.new.all }
end

assert('Headers_in#user_agent: the header') do
  assert_equal 'curl/7.88', ServerTest.ask { Apache::Headers_in.new.user_agent }
end

assert('Headers_in#referer: the header') do
  assert_equal 'http://a/', ServerTest.ask('HTTP_REFERER' => 'http://a/') { Apache::Headers_in.new.referer }
end

assert('Headers_in#env: the Rack env') do
  assert_equal 'GET', ServerTest.ask { Nginx::Headers_in.new.env['REQUEST_METHOD'] }
end

assert('Headers_out#[]=: in lower case, one or several, replaced and taken back') do
  headers = ServerTest.answer do
    out = Nginx::Headers_out.new
    out['X-A'] = 'first'
    out['x-a'] = 'second'
    out['Set-Cookie'] = ['a=1', 'b=2']
    out['X-Number'] = 12
    out['X-Gone'] = 'x'
    out['x-gone'] = nil
  end[1]
  assert_equal({ 'x-a' => 'second', 'set-cookie' => ['a=1', 'b=2'], 'x-number' => '12' }, headers)
end

assert('Headers_out#[]=: nothing that breaks a line') do
  ["a\r\nset-cookie: x=y", "a\nb", "a\r", "a\0b", "a\x7f", ['fine', "not\nfine"]].each do |value|
    assert_raise(ArgumentError) { ServerTest.answer { Nginx::Headers_out.new['x-a'] = value } }
  end
  ['', 'a b', "a\r", "a:b", "\xc3\xa4", nil].each do |name|
    assert_raise(ArgumentError) { ServerTest.answer { Nginx::Headers_out.new[name] = 'x' } }
  end
  value = 'fine'
  assert_equal 'fine', ServerTest.answer { Nginx::Headers_out.new['x-a'] = value; value << "\r\nx: y" }[1]['x-a']
end

assert('Headers_out#[]: whatever the case') do
  assert_equal [nil, '1', '1'], ServerTest.ask {
    out = Nginx::Headers_out.new
    before = out['x-a']
    out['X-A'] = '1'
    [before, out['x-a'], out['X-a']]
  }
end

assert('Headers_out#delete: takes it back') do
  assert_equal({}, ServerTest.answer { out = Nginx::Headers_out.new; out['x-a'] = '1'; out.delete('X-A') }[1])
end

assert('Headers_out#all: a Hash of its own') do
  assert_equal [{}, { 'x-a' => '1' }, { 'x-a' => '1' }], ServerTest.ask {
    out = Nginx::Headers_out.new
    before = out.all
    out['X-A'] = '1'
    out.all['x-b'] = '2'
    [before, out.all, out.all]
  }
end
