module ServerTest
  Server = get_server_class

  ENV = {
    'REQUEST_METHOD' => 'GET', 'SCRIPT_NAME' => '/app', 'PATH_INFO' => '/hello world', 'QUERY_STRING' => 'a=1&B=x%20y',
    'REQUEST_URI' => '/app/hello%20world?a=1&B=x%20y', 'SERVER_PROTOCOL' => 'HTTP/1.1', 'SERVER_NAME' => 'example.org',
    'SERVER_PORT' => '8001', 'SERVER_ADDR' => '192.0.2.1', 'REMOTE_ADDR' => '198.51.100.7', 'REMOTE_PORT' => '54430',
    'SERVER_SOFTWARE' => 'nginx/1.22.1', 'HTTP_HOST' => 'www.example.org:8001', 'HTTP_USER_AGENT' => 'curl/7.88',
    'HTTP_COOKIE' => 'id=42; Theme=dark', 'rack.url_scheme' => 'http'
  }.freeze

  def self.env(more = {})
    ENV.merge(more)
  end

  # What a script with this block for its text answers, or nil when it passes.
  def self.run(phase = :content, env = self.env)
    Server.enter(env)
    value = begin
      yield env
    rescue Server::Ended => ended
      ended
    end
    Server.leave(value, phase)
  end

  def self.answer(phase = :content, env = self.env, &script)
    run(phase, env, &script)
  ensure
    Server.clear
  end

  # The value of a block that runs for a request.
  def self.ask(more = {}, &script)
    value = nil
    answer(:content, env(more)) { value = script.call(Server::Request.new) }
    value
  end

  TEXT = { 'content-type' => 'text/plain; charset=utf-8' }.freeze
end

class ServerTestErrors
  attr_reader :lines

  def puts(line)
    (@lines ||= []) << line
  end
end
