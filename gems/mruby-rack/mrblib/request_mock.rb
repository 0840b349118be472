module Rack
  # Asks an application without a server: for tests.
  class MockRequest
    class FatalWarning < RuntimeError; end

    # rack.errors of which nothing is expected.
    class FatalWarner
      def puts(warning)
        raise FatalWarning, warning
      end

      def write(warning)
        raise FatalWarning, warning
      end

      def flush; end

      def string
        ''
      end
    end

    def initialize(app)
      @app = app
    end

    def get(uri, options = {})
      request('GET', uri, options)
    end

    def post(uri, options = {})
      request('POST', uri, options)
    end

    def put(uri, options = {})
      request('PUT', uri, options)
    end

    def patch(uri, options = {})
      request('PATCH', uri, options)
    end

    def delete(uri, options = {})
      request('DELETE', uri, options)
    end

    def head(uri, options = {})
      request('HEAD', uri, options)
    end

    def options(uri, options = {})
      request('OPTIONS', uri, options)
    end

    def request(method = 'GET', uri = '', options = {})
      env = MockRequest.env_for(uri, options.merge(method: method))
      app = options[:lint] ? Lint.new(@app) : @app
      errors = env['rack.errors']
      status, headers, body = app.call(env)
      MockResponse.new(status, headers, body, errors)
    ensure
      body.close if body.respond_to?(:close)
    end

    # An env as a server makes it. What `options` has under Strings goes into it. :method, :params (a Hash or a query),
    # :input (a String or what can be read), :script_name, :http_version, :fatal (an exception where rack.errors is
    # written to).
    def self.env_for(uri = '', options = {})
      uri = URI.parse(uri)
      path = uri.path.to_s
      scheme = uri.scheme || 'http'
      env = {
        'REQUEST_METHOD' => (options[:method] || 'GET').to_s.upcase,
        'SERVER_NAME' => uri.host || 'example.org',
        'SERVER_PORT' => (uri.port || 80).to_s,
        'SERVER_PROTOCOL' => options[:http_version] || 'HTTP/1.1',
        'QUERY_STRING' => uri.query.to_s,
        'PATH_INFO' => path.start_with?('/') ? path : "/#{path}",
        'SCRIPT_NAME' => options[:script_name] || '',
        'HTTPS' => scheme == 'https' ? 'on' : 'off',
        'rack.url_scheme' => scheme,
        'rack.errors' => options[:fatal] ? FatalWarner.new : StringIO.new
      }
      input = options[:input]
      input = _add_params(env, options[:params], input) if options[:params]
      if input
        input = StringIO.new(input) if input.is_a?(String)
        env['rack.input'] = input
        env['CONTENT_LENGTH'] ||= input.size.to_s if input.respond_to?(:size)
      end
      options.each { |key, value| env[key] = value if key.is_a?(String) }
      env
    end

    # Into the query of a GET, else into a body. Returns rack.input.
    def self._add_params(env, params, input)
      if env['REQUEST_METHOD'] == 'GET'
        params = params.is_a?(String) ? Utils.parse_nested_query(params) : params.dup
        params.update(Utils.parse_nested_query(env['QUERY_STRING']))
        env['QUERY_STRING'] = Utils.build_nested_query(params)
        return input
      end
      return input if input
      env['CONTENT_TYPE'] = 'application/x-www-form-urlencoded'
      return params unless params.is_a?(Hash)
      body = Multipart.build_multipart(params)
      return Utils.build_nested_query(params) unless body
      env['CONTENT_TYPE'] = "multipart/form-data; boundary=#{Multipart::MULTIPART_BOUNDARY}"
      body
    end
  end
end
