module Rack
  # Writes a line about each answer, in the form that Apache calls common, when its body is closed: to a logger (anything
  # that has `write` or `<<`), or to rack.errors.
  class CommonLogger
    def initialize(app, logger = nil)
      @app = app
      @logger = logger
    end

    def call(env)
      began_at = Utils.clock_time
      response = @app.call(env)
      status, headers, body = response
      response[2] = BodyProxy.new(body) { log(env, status, headers, began_at) }
      response
    end

    private

    def log(env, status, headers, began_at)
      line = "#{line_of(env, status, headers, Utils.clock_time - began_at)}\n"
      logger = @logger || env['rack.errors']
      logger.respond_to?(:write) ? logger.write(line) : logger << line
    end

    def line_of(env, status, headers, seconds)
      query = env['QUERY_STRING'].to_s
      length = headers['content-length'].to_s
      printable(format('%s - %s [%s] "%s %s%s%s %s" %s %s %0.4f',
                       Request.new(env).ip || '-', env['REMOTE_USER'] || '-',
                       Time.now.strftime('%d/%b/%Y:%H:%M:%S %z'), env['REQUEST_METHOD'],
                       env['SCRIPT_NAME'], env['PATH_INFO'], query.empty? ? '' : "?#{query}",
                       env['SERVER_PROTOCOL'], status, length.empty? || length == '0' ? '-' : length, seconds))
    end

    # A line stays one, and no terminal is told anything: paths come decoded.
    def printable(line)
      return line if line.bytes.none? { |byte| byte < 32 || byte == 127 }
      line.chars.map { |char| char < ' ' || char == "\x7f" ? format('\x%02x', char.ord) : char }.join
    end
  end
end
