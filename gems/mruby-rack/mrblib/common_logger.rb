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
      asked = "#{env['REQUEST_METHOD']} #{env['SCRIPT_NAME']}#{env['PATH_INFO']}#{'?' unless query.empty?}#{query} " \
              "#{env['SERVER_PROTOCOL']}"
      format('%s - %s [%s] "%s" %s %s %0.4f', word(Request.new(env).ip), word(env['REMOTE_USER']),
             Time.now.strftime('%d/%b/%Y:%H:%M:%S %z'), escape(asked), status,
             length.empty? || length == '0' ? '-' : word(length), seconds)
    end

    # A field without quotes: it ends with a space.
    def word(text)
      text.nil? || text.empty? ? '-' : escape(text).chars.map { |char| char == ' ' ? '\x20' : char }.join
    end

    # As Apache does: what could end the line or a quoted field, or tell a terminal something, is escaped; paths come decoded.
    def escape(text)
      return text if text.bytes.none? { |byte| byte < 32 || byte > 126 || byte == 34 || byte == 92 }
      return text.chars.map { |char| escape_char(char) }.join if text.valid_encoding?
      text.bytes.map { |byte| byte > 126 ? format('\x%02x', byte) : escape_char(byte.chr) }.join
    end

    # U+0080 to U+009F are control characters, too, and U+2028 and U+2029 end lines.
    def escape_char(char)
      return "\\#{char}" if char == '"' || char == '\\'
      first, second, third = char.bytes
      control = first < 32 || first == 127 || (first == 0xc2 && second && second < 0xa0) ||
                (first == 0xe2 && second == 0x80 && (third == 0xa8 || third == 0xa9))
      return char unless control
      char.bytes.map { |byte| format('\x%02x', byte) }.join
    end
  end
end
