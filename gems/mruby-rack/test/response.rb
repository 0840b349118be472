assert('Rack::Response: what finish gives') do
  assert_equal [200, {}, []], Rack::Response.new.finish
  assert_equal [200, { 'content-length' => '6' }, ['日本']], Rack::Response.new('日本').finish
  response = Rack::Response.new(%w[a b], 201, 'Content-Type' => 'text/plain')
  assert_equal [201, { 'content-type' => 'text/plain' }, %w[a b]], response.finish
  response.write('c')
  response.write(1)
  assert_equal [201, { 'content-type' => 'text/plain', 'content-length' => '4' }, %w[a b c 1]], response.finish
  assert_equal [404, { 'a' => 'b' }, ['x']], Rack::Response[404, { 'a' => 'b' }, ['x']].to_a
  assert_raise(ArgumentError) { Rack::Response.new('', 200, [%w[a b]]) }
  assert_equal '3', Rack::Response.new { |made| made.write('abc') }.finish[1]['content-length']
end

assert('Rack::Response without a body') do
  closed = 0
  body = Object.new
  body.define_singleton_method(:each) { |&block| block.call('x') }
  body.define_singleton_method(:close) { closed += 1 }
  response = Rack::Response.new(body, 304, 'content-type' => 'a/b', 'etag' => 'x')
  assert_equal [304, { 'etag' => 'x' }, []], response.finish
  assert_equal 1, closed
end

assert('Rack::Response: a body that is written while it is sent') do
  response = Rack::Response.new('a')
  status, headers, body = response.finish { |sink| sink.write('b'); sink.write('c') }
  sent = []
  body.each { |chunk| sent << chunk }
  assert_equal [200, {}, %w[a b c]], [status, headers, sent]
end

assert('Rack::Response leaves a streaming body alone') do
  stream = ->(out) { out << 'x' }
  assert_true stream.equal?(Rack::Response.new(stream).finish[2])
end

assert('Rack::Response: headers and cookies') do
  response = Rack::Response.new
  response['Content-Type'] = 'text/html; charset=utf-8'
  assert_equal %w[text/html utf-8], [response.media_type, response.media_type_params['charset']]
  response.set_cookie('a', '1')
  response.set_cookie('b', value: '2', path: '/')
  response.delete_cookie('c')
  assert_equal ['a=1', 'b=2; path=/', 'c=; max-age=0; expires=Thu, 01 Jan 1970 00:00:00 GMT'], response['Set-Cookie']
  response.redirect('/there', 303)
  assert_equal [303, '/there'], [response.status, response.location]
  assert_true response.redirect? && response.redirection? && !response.ok?
  response.add_header('vary', 'a')
  response.add_header('Vary', 'b')
  assert_equal %w[a b], response['vary']
  assert_true response.include?('VARY')
  response.cache!(60)
  assert_equal 'public, max-age=60', response.cache_control
  response.do_not_cache!
  response.cache!(60)
  assert_equal 'no-cache, must-revalidate', response.cache_control
end

assert('Rack::Response: names of statuses') do
  { ok?: 200, created?: 201, not_found?: 404, forbidden?: 403, unprocessable?: 422, method_not_allowed?: 405,
    client_error?: 418, server_error?: 503, successful?: 299, informational?: 100, invalid?: 99 }.each do |name, status|
    assert_true Rack::Response.new('', status).__send__(name), name
    assert_false Rack::Response.new('', 302).__send__(name), name
  end
end

assert('Rack::MockRequest and Rack::MockResponse') do
  app = lambda do |env|
    request = Rack::Request.new(env)
    env['rack.errors'].puts('noted')
    response = Rack::Response.new
    response.set_cookie('who', value: 'me you', path: '/', secure: true)
    response['X-Method'] = request.request_method
    response.write(request.params.map { |name, value| "#{name}=#{value}" }.sort.join(','))
    response.finish
  end
  mock = Rack::MockRequest.new(app)
  answer = mock.get('/x?a=1', params: { 'b' => '2' }, lint: true)
  assert_equal [200, 'a=1,b=2', "noted\n", 'GET'], [answer.status, answer.body, answer.errors, answer['x-method']]
  assert_equal ['me you'], answer.cookie('who').value
  assert_equal ['/', true], [answer.cookie('who').path, answer.cookie('who').secure]
  assert_equal 'a=1,b=2', mock.post('/x?a=1', params: 'b=2', lint: true).body
  assert_equal 'PATCH', mock.patch('/')['X-Method']
  assert_raise(Rack::MockRequest::FatalWarning) { mock.get('/', fatal: true) }
  env = Rack::MockRequest.env_for('https://h:81/p?q', method: :put, input: 'abc', 'HTTP_X' => 'y')
  assert_equal %w[PUT h 81 /p q https 3 y], %w[REQUEST_METHOD SERVER_NAME SERVER_PORT PATH_INFO QUERY_STRING
                                                rack.url_scheme CONTENT_LENGTH HTTP_X].map { |key| env[key] }
end
