# A name in front of a colon is the method that the test proves; so it is in the other files.
assert('get_server_class: the class that a script calls Server') do
  assert_equal Cowherd::Server, get_server_class
  assert_same Cowherd::Server, Apache
  assert_same Cowherd::Server, Nginx
end

assert('server_name: which of two names a script asks for') do
  assert_equal 'NGINX', server_name
  assert_equal 'NGINX', ServerTest.ask { server_name }
  assert_equal 'NGINX', ServerTest.ask('SERVER_SOFTWARE' => 'lighttpd/1.4.69') { server_name }
  assert_equal 'NGINX', ServerTest.ask('SERVER_SOFTWARE' => nil) { server_name }
  assert_equal 'Apache', ServerTest.ask('SERVER_SOFTWARE' => 'Apache/2.4.57 (Debian)') { server_name }
end

assert('Server.echo: text with a line break at its end') do
  assert_equal [200, ServerTest::TEXT, ["hello\n"]], ServerTest.answer { Nginx.echo 'hello' }
  assert_equal [200, ServerTest::TEXT, ["hello\n\n12\n\n"]],
               ServerTest.answer { Nginx.echo "hello\n"; Nginx.echo 12; Nginx.echo nil }
  assert_equal Nginx, ServerTest.ask { Nginx.echo 'a' }
  assert_raise(ArgumentError) { ServerTest.answer { Nginx.echo } }
end

assert('Server.rputs: text as it is, bytes and all') do
  bytes = "\x00\xff\xfe\r\n" + 'x' * 5000
  _, _, body = ServerTest.answer { Nginx.rputs 'a'; Nginx.rputs bytes; Nginx.rputs :b; Nginx.rputs '' }
  assert_equal ['a' + bytes + 'b'], body
  assert_equal [200, ServerTest::TEXT, ['']], ServerTest.answer { Nginx.rputs '' }
end

assert('Server.rputs: a String that changes later was said before') do
  text = 'before'
  assert_equal ['beforebefore after'], ServerTest.answer {
    Nginx.rputs text
    Nginx.rputs text
    text << ' after'
    Nginx.rputs ' after'
  }[2]
end

assert('Server.return: ends the script with a status') do
  reached = []
  status, headers, body = ServerTest.answer do
    begin
      Nginx.echo 'no entry'
      Nginx.return Nginx::HTTP_FORBIDDEN
      reached << :after
    rescue => e
      reached << e
    ensure
      reached << :ensured
    end
    reached << :behind
  end
  assert_equal [403, ServerTest::TEXT, ["no entry\n"]], [status, headers, body]
  assert_equal [:ensured], reached
end

assert('Server.return: out of methods, blocks and fibers') do
  assert_equal 404, ServerTest.answer { [1].each { |_| Fiber.new { Nginx.return 404 }.resume } }[0]
end

assert('Server.return: an error without a text says its name, unless it may have none') do
  assert_equal [403, ServerTest::TEXT, ["403 Forbidden\n"]], ServerTest.answer { Nginx.return 403 }
  assert_equal [444, ServerTest::TEXT, ["444\n"]], ServerTest.answer { Nginx.return 444 }
  assert_equal [503, ServerTest::TEXT, ["503 Service Unavailable\n"]], ServerTest.answer { Nginx.return 503 }
  assert_equal [200, {}, []], ServerTest.answer { Nginx.return 200 }
  assert_equal [302, {}, []], ServerTest.answer { Nginx.return 302 }
  assert_equal [204, {}, []], ServerTest.answer { Nginx.echo 'x'; Nginx.return 204 }
  assert_equal [304, {}, []], ServerTest.answer { Nginx.return 304 }
end

assert("Server.return: nginx's codes") do
  assert_equal [200, ServerTest::TEXT, ["x\n"]], ServerTest.answer { Nginx.echo 'x'; Nginx.return Nginx::OK }
  assert_equal [200, ServerTest::TEXT, ["x\n"]], ServerTest.answer { Nginx.echo 'x'; Nginx.return Nginx::DONE }
  assert_equal [200, ServerTest::TEXT, ["x\n"]], ServerTest.answer { Nginx.echo 'x'; Nginx.return Nginx::DECLINED }
  assert_equal [200, {}, []], ServerTest.answer { Nginx.return Nginx::OK }
  assert_equal [404, ServerTest::TEXT, ["404 Not Found\n"]], ServerTest.answer { Nginx.return Nginx::DECLINED }
  assert_equal 500, ServerTest.answer { Nginx.return Nginx::ERROR }[0]
  assert_equal 500, ServerTest.answer { Nginx.return Nginx::ABORT }[0]
end

assert('Server.return: nothing that no answer can have') do
  [100, 199, 1000, -7].each do |status|
    assert_raise(ArgumentError) { ServerTest.answer { Nginx.return status } }
  end
  assert_raise(TypeError) { ServerTest.answer { Nginx.return 'forbidden' } }
end

assert('Server.status_code=: a status, and the script goes on') do
  assert_equal [404, ServerTest::TEXT, ["gone\n"]], ServerTest.answer { Nginx.status_code = 404; Nginx.echo 'gone' }
  assert_raise(ArgumentError) { ServerTest.answer { Nginx.status_code = 1 } }
end

assert('Server.send_header: a status, and the script goes on') do
  assert_equal [201, ServerTest::TEXT, ["made\n"]], ServerTest.answer { Nginx.send_header 201; Nginx.echo 'made' }
end

assert('Server.status_code: what is going to be said') do
  assert_equal [200, 404], ServerTest.ask {
    before = Nginx.status_code
    Nginx.status_code = 404
    [before, Nginx.status_code]
  }
end

assert('Server.redirect: an address and a status') do
  assert_equal [302, { 'location' => 'http://example.org/' }, []],
               ServerTest.answer { Nginx.redirect 'http://example.org/' }
  assert_equal [301, { 'location' => '/elsewhere' }, []],
               ServerTest.answer { Nginx.redirect '/elsewhere', Nginx::HTTP_MOVED_PERMANENTLY }
  assert_raise(ArgumentError) { ServerTest.answer { Nginx.redirect '' } }
  assert_raise(ArgumentError) { ServerTest.answer { Nginx.redirect '/', 200 } }
  assert_raise(ArgumentError) { ServerTest.answer { Nginx.redirect "/\r\nset-cookie: a=b" } }
end

%w[log errlogger].each do |name|
  assert("Server.#{name}: a line with its level") do
    errors = ServerTestErrors.new
    result = ServerTest.ask('rack.errors' => errors) {
      Nginx.__send__(name, Nginx::LOG_ERR, 'it broke')
      Nginx.__send__(name, Nginx::LOG_DEBUG, 12)
    }
    assert_equal Nginx, result
    assert_equal ['it broke', '12'], errors.lines
    assert_raise(ArgumentError) { Nginx.__send__(name, 9, 'text') }
    assert_raise(ArgumentError) { Nginx.__send__(name, -1, 'text') }
  end
end

assert('Server.syslogger: the name of a level') do
  errors = ServerTestErrors.new
  ServerTest.ask('rack.errors' => errors) { Apache.syslogger('warn', 'careful') }
  assert_equal ['careful'], errors.lines
  assert_raise(ArgumentError) { Apache.syslogger('loud', 'text') }
end

assert('Server.var: the variables') do
  assert_equal '198.51.100.7', ServerTest.ask { Nginx.var.remote_addr }
end

assert('Server.module_name: who this is') do
  assert_equal 'cowherd', Nginx.module_name
end

assert('Server.module_version: of this gem') do
  assert_equal Nginx::VERSION, Nginx.module_version
end

assert('Server.mod_mruby_version: of this gem') do
  assert_equal Nginx::VERSION, Apache.mod_mruby_version
end

assert("Server.mruby_version: of the interpreter") do
  assert_equal MRUBY_VERSION, Nginx.mruby_version
end

assert('Server.server_version: what the front end says of itself') do
  assert_equal 'nginx/1.22.1', ServerTest.ask { Nginx.server_version }
end

assert('Server.nginx_version: when it is nginx') do
  assert_equal '1.22.1', ServerTest.ask { Nginx.nginx_version }
  assert_nil ServerTest.ask('SERVER_SOFTWARE' => 'Apache/2.4') { Nginx.nginx_version }
end

assert('Server.document_root: as a parameter says') do
  assert_equal '/srv/www', ServerTest.ask('DOCUMENT_ROOT' => '/srv/www') { Nginx.document_root }
end

assert('Server.filename: as a parameter says') do
  assert_equal '/srv/www/a.rb', ServerTest.ask('SCRIPT_FILENAME' => '/srv/www/a.rb') { Nginx.filename }
end

assert('Server.sleep: waits') do
  assert_equal Nginx, Apache.sleep(0)
end

assert('Server.remove_global_variable: away with it') do
  $server_test = 1
  Nginx.remove_global_variable(:$server_test)
  assert_nil $server_test
  assert_false global_variables.include?(:$server_test)
end

assert('Server::Server#document_root: as a parameter says') do
  assert_equal '/srv/www', ServerTest.ask('DOCUMENT_ROOT' => '/srv/www') { Nginx::Server.new.document_root }
end

assert('Server::Server#path: as a parameter says') do
  assert_equal '/srv/www', ServerTest.ask('DOCUMENT_ROOT' => '/srv/www') { Nginx::Server.new.path }
end

assert('Server::Server#realpath_root: as a parameter says') do
  assert_equal '/srv/www', ServerTest.ask('DOCUMENT_ROOT' => '/srv/www') { Nginx::Server.new.realpath_root }
end

assert('Server constants: statuses') do
  { OK: 0, ERROR: -1, AGAIN: -2, BUSY: -3, DONE: -4, DECLINED: -5, ABORT: -6, HTTP_OK: 200, HTTP_CREATED: 201,
    HTTP_NO_CONTENT: 204, HTTP_MOVED_PERMANENTLY: 301, HTTP_MOVED_TEMPORARILY: 302, HTTP_NOT_MODIFIED: 304,
    HTTP_BAD_REQUEST: 400, HTTP_UNAUTHORIZED: 401, HTTP_FORBIDDEN: 403, HTTP_NOT_FOUND: 404, HTTP_NOT_ALLOWED: 405,
    HTTP_METHOD_NOT_ALLOWED: 405, HTTP_GONE: 410, HTTP_CLIENT_CLOSED_REQUEST: 499, HTTP_INTERNAL_SERVER_ERROR: 500,
    HTTP_SERVICE_UNAVAILABLE: 503, HTTP_INSUFFICIENT_STORAGE: 507, AUTH_REQUIRED: 401, SERVER_ERROR: 500,
    LOG_STDERR: 0, LOG_EMERG: 1, LOG_ERR: 4, LOG_WARN: 5, LOG_DEBUG: 8, APLOG_ERR: 4, APLOG_DEBUG: 8, TRUE: '1',
    FALSE: '0' }.each { |name, value| assert_equal value, Nginx.const_get(name), name.to_s }
end
