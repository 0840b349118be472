module Rack
  # Answers an exception with a page about it: with the source around each place of the backtrace for browsers, as plain
  # text for others. For development: it shows the request and the code to whoever asks.
  class ShowExceptions
    CONTENT_SECURITY_POLICY = "default-src 'none'; style-src 'unsafe-inline'".freeze

    def initialize(app)
      @app = app
    end

    def call(env)
      @app.call(env)
    rescue StandardError, ScriptError => exception
      text = dump_exception(exception)
      env['rack.errors'].puts(text)
      env['rack.errors'].flush
      headers = { 'content-type' => 'text/plain; charset=utf-8', 'cache-control' => 'no-store' }
      if accepts_html?(env)
        text = pretty(env, exception)
        headers['content-type'] = 'text/html; charset=utf-8'
        headers['content-security-policy'] = CONTENT_SECURITY_POLICY
      end
      headers['content-length'] = text.bytesize.to_s
      [500, headers, [text]]
    end

    # As mruby prints it.
    def dump_exception(exception)
      lines = ["#{exception.message} (#{exception.class})"]
      (exception.backtrace || []).each { |frame| lines << "    #{frame}" }
      "#{lines.join("\n")}\n"
    end

    def pretty(env, exception)
      Page.new(env, exception).to_s
    end

    private

    # Said by name: "*/*" is what programs send, too.
    def accepts_html?(env)
      Utils.q_values(env['HTTP_ACCEPT']).any? { |type, quality| type.downcase == 'text/html' && quality > 0 }
    end
  end
end
