# What the tests of middleware share: requests as a server makes them, with Rack::Lint between the two, and bodies that
# say how often they were closed.
module RackTest
  def self.env(path = '/', more = {})
    { 'REQUEST_METHOD' => 'GET', 'SCRIPT_NAME' => '', 'PATH_INFO' => path, 'QUERY_STRING' => '',
      'SERVER_NAME' => 'localhost', 'SERVER_PORT' => '80', 'SERVER_PROTOCOL' => 'HTTP/1.1',
      'REMOTE_ADDR' => '192.0.2.1', 'rack.url_scheme' => 'http', 'rack.input' => StringIO.new,
      'rack.errors' => StringIO.new }.merge(more)
  end

  # [status, headers, body], the body as one String.
  def self.ask(app, path = '/', more = {})
    status, headers, body = Rack::Lint.new(app).call(env(path, more))
    text = []
    begin
      if body.respond_to?(:to_ary)
        text = body.to_ary
      elsif body.respond_to?(:each)
        body.each { |chunk| text << chunk.dup }
      else
        body.call(StreamTo.new(text))
      end
    ensure
      body.close
    end
    [status, headers, text.join]
  end

  def self.app(body, status = 200, headers = {})
    ->(_) { [status, headers.dup, body] }
  end

  def self.in_folder(files = {})
    Dir.mktmpdir do |folder|
      files.each do |name, content|
        path = File.dirname("#{folder}/#{name}")
        Dir.mkdir(path) unless File.directory?(path)
        File.write("#{folder}/#{name}", content)
        File.utime(Time.at(784_111_777), Time.at(784_111_777), "#{folder}/#{name}")
      end
      yield folder
    end
  end

  # Yields its parts: a body that is streamed.
  class Body
    attr_reader :closed

    def initialize(*parts)
      @parts = parts
      @closed = 0
    end

    def each(&block)
      @parts.each(&block)
    end

    def close
      @closed += 1
    end
  end

  # All of it is there.
  class Whole < Body
    def to_ary
      close
      @parts
    end
  end

  # A file to be sent by the server.
  class Sent < Body
    def to_path
      @parts.first
    end
  end

  # Called with a stream.
  class Called
    attr_reader :closed

    def initialize(text)
      @text = text
      @closed = 0
    end

    def call(stream)
      stream.write(@text)
      stream.close
    end

    def close
      @closed += 1
    end
  end

  # The server's end of that stream.
  class StreamTo
    def initialize(texts)
      @texts = texts
    end

    def write(text)
      @texts << text
      text.bytesize
    end
    alias << write

    def read(*) end

    def flush; end

    def close; end

    def close_read; end

    def close_write; end

    def closed?
      false
    end
  end
end
