class ServerTestApp
  def call(env)
    [201, {}, [env['PATH_INFO']]]
  end
end

class ServerTestDelegate
  def respond_to?(name, all = false)
    name == :call || super
  end

  def method_missing(name, *values)
    name == :call ? [202, {}, []] : super
  end
end

assert('a script that says nothing: what its last value answers') do
  assert_equal [201, {}, ['/hello world']], ServerTest.answer { ServerTestApp.new }
  assert_equal [202, {}, []], ServerTest.answer { ServerTestDelegate.new }
  assert_equal [200, {}, ['x']], ServerTest.answer { ->(env) { [200, {}, ['x']] } }
  assert_equal [418, { 'a' => 'b' }, ['tea']], ServerTest.answer { [418, { 'a' => 'b' }, ['tea']] }
  [nil, 1, :sym, 'text', [], [1, 2], ['200', {}, []], {}].each do |value|
    assert_equal [200, {}, []], ServerTest.answer { value }
  end
end

assert('a script that says something: its last value does not matter') do
  assert_equal [200, ServerTest::TEXT, ["x\n"]], ServerTest.answer { Nginx.echo 'x'; [500, {}, []] }
  assert_equal [200, { 'x-a' => '1' }, []], ServerTest.answer { Nginx::Headers_out.new['X-A'] = 1; [500, {}, []] }
end

assert('an access hook that passes') do
  [nil, true, 200, 'x', [399, {}, []], ->(env) { [399, {}, []] }].each do |value|
    assert_nil ServerTest.answer(:access) { value }
  end
  assert_nil ServerTest.answer(:access) { Nginx.return Nginx::OK }
  assert_nil ServerTest.answer(:access) { Nginx.return Nginx::DECLINED }
  assert_nil ServerTest.answer(:access) { Nginx::Headers_out.new['x-a'] = '1' }
end

assert('an access hook that answers') do
  assert_equal [403, ServerTest::TEXT, ["403 Forbidden\n"]], ServerTest.answer(:access) { Nginx.return 403 }
  assert_equal [200, ServerTest::TEXT, ["x\n"]], ServerTest.answer(:access) { Nginx.echo 'x' }
  assert_equal [302, { 'location' => '/' }, []], ServerTest.answer(:access) { Nginx.redirect '/' }
  assert_equal [200, {}, []], ServerTest.answer(:access) { Nginx.return 200 }
  assert_equal [401, {}, []], ServerTest.answer(:access) { [401, {}, []] }
  assert_equal [201, {}, ['/hello world']], ServerTest.answer(:access) { ServerTestApp.new }
end

assert('a hook that passes leaves nothing behind but headers') do
  env = ServerTest.env
  assert_nil ServerTest.run(:access, env) {
    Nginx.echo 'x'
    Nginx.status_code = 404
    Nginx::Headers_out.new['X-A'] = 'y'
    Nginx.return Nginx::OK
  }
  assert_equal({ 'x-a' => 'y' }, Nginx.headers_for(env))
  assert_nil Nginx.headers_for(ServerTest.env)
  assert_equal [200, {}, []], ServerTest.run(:content, env) { [200, {}, []] }
  assert_equal({ 'x-a' => 'y' }, Nginx.headers_for(env))
  assert_equal [200, { 'x-a' => 'y', 'content-type' => 'text/plain; charset=utf-8' }, ["z\n"]],
               ServerTest.run(:content, env) { Nginx.echo 'z' }
  assert_nil Nginx.headers_for(env)
  Nginx.clear
  assert_nil Nginx.headers_for(env)
end

assert('a log hook says nothing') do
  assert_nil ServerTest.answer(:log) { Nginx.echo 'x' }
  assert_nil ServerTest.answer(:log) { Nginx.return 500 }
  assert_nil ServerTest.answer(:log) { [500, {}, []] }
end

assert('answers share nothing') do
  first = ServerTest.answer { Nginx.echo 'x' }
  first[1]['x-a'] = 'y'
  assert_equal ServerTest::TEXT, ServerTest.answer { Nginx.echo 'x' }[1]
end

assert('the next request begins anew') do
  Nginx.enter(ServerTest.env)
  Nginx.echo 'left behind by an exception'
  Nginx::Headers_out.new['x-a'] = 'y'
  assert_equal [200, {}, []], ServerTest.answer { nil }
end

assert('nothing can be said when no script runs') do
  [-> { Nginx.echo 'x' }, -> { Nginx.rputs 'x' }, -> { Nginx.return 403 }, -> { Nginx.status_code = 403 },
   -> { Nginx.redirect '/' }, -> { Nginx.status_code }, -> { Nginx::Request.new }, -> { Nginx::Connection.new },
   -> { Nginx::Headers_in.new }, -> { Nginx::Headers_out.new }, -> { Nginx::Var.new }, -> { Nginx.server_version },
   -> { Nginx.leave(nil, :content) }].each do |attempt|
    error = assert_raise(RuntimeError, &attempt)
    assert_equal 'no request is being served', error.message
  end
  headers = nil
  env = ServerTest.env
  ServerTest.run(:access, env) { headers = Nginx::Headers_out.new; nil }
  assert_raise(RuntimeError) { Nginx.echo 'x' }
  assert_raise(RuntimeError) { headers['x-a'] = 'y' }
  Nginx.clear
end

assert('what belonged to a request is of no use for the next') do
  kept = nil
  ServerTest.answer do
    request = Nginx::Request.new
    kept = [-> { request.uri }, -> { request.body }, -> { request.headers_out }, -> { request.status = 200 },
            -> { request.sub_request?; request.log(4, 'x') }]
    connection, headers_in, headers_out, var, notes =
      request.connection, request.headers_in, request.headers_out, request.var, request.notes
    kept += [-> { connection.remote_ip }, -> { headers_in['x'] }, -> { headers_out['x'] }, -> { headers_out.all },
             -> { headers_out['x'] = 'y' }, -> { headers_out.delete('x') }, -> { var.uri },
             -> { var.remote_addr }, -> { var.args = 'x' }, -> { notes['x'] }]
    kept.first.call
  end
  errors = kept.map { |use| assert_raise(RuntimeError, &use).message }
  assert_equal ['the request that this belongs to is over'], errors.uniq - ['no request is being served']
  ServerTest.answer do
    errors = kept.map { |use| assert_raise(RuntimeError, &use).message }
    assert_equal ['the request that this belongs to is over'], errors.uniq
  end
end

assert('enter and leave take what they are for') do
  assert_raise(TypeError) { Nginx.enter([]) }
  assert_raise(ArgumentError) { ServerTest.answer(:later) { nil } }
end
