module Rack
  class Lint
    # One request: calls the application, checks what it returns, and is the body of that for the server.
    class Wrapper
      BODY_METHODS = %i[each call to_ary to_path].freeze

      attr_reader :closed

      def initialize(app, env)
        @app = app
        @env = env
        @content_length = nil
        @invoked = nil
        @closed = false
        @size = 0
      end

      def response
        Environment.new(@env).check
        response = @app.call(@env)
        check_response(response)
        status, headers, @body = response
        check_status(status)
        check_headers(headers)
        check_entity_headers(status, headers)
        check_server_headers(headers)
        check_body
        Lint.check_response_finished(@env)
        join_others
        [status, headers, self]
      end

      def each
        fail_with 'Enumerable Body must respond to each' unless @body.respond_to?(:each)
        invoke(:each)
        @body.each do |chunk|
          fail_with "Body yielded non-string value #{chunk.inspect}" unless chunk.is_a?(String)
          count_iteration
          @size += chunk.bytesize
          yield chunk
        end
        check_size(@size)
        check_path(@body.to_path) if @body.respond_to?(:to_path)
        nil
      end

      def call(stream)
        fail_with 'Streaming Body must respond to call' unless @body.respond_to?(:call)
        invoke(:call)
        @body.call(StreamWrapper.new(stream))
      end

      # The file is sent in place of what `each` yields.
      def to_path
        fail_with 'Response body is already closed' if @closed
        check_path(@body.to_path)
      end

      def to_ary
        fail_with 'Response body is already closed' if @closed
        content = @body.is_a?(Array) ? @body : @body.to_ary
        fail_with "#to_ary must return an Array, but returned #{content.class}" unless content.is_a?(Array)
        check_array(content)
        content
      ensure
        close
      end

      def close
        return if @closed
        @closed = true
        @body.close if @body.respond_to?(:close)
        inner = @lint[0, @lint.index { |one| one.equal?(self) }]
        fail_with 'Body has not been closed' unless inner.all? { |one| one.closed }
      end

      # A body is what the one behind it is.
      def respond_to?(name, include_all = false)
        return super unless BODY_METHODS.include?(name)
        @body.respond_to?(name) || (name == :to_ary && @body.is_a?(Array))
      end

      private

      def fail_with(message)
        raise LintError, message
      end

      def check_response(response)
        fail_with "response is not an Array, but #{response.class}" unless response.is_a?(Array)
        fail_with 'response is frozen' if response.frozen?
        fail_with "response array has #{response.size} elements instead of 3" unless response.size == 3
      end

      def check_status(status)
        fail_with 'Status must be an Integer >=100' unless status.is_a?(Integer) && status >= 100
      end

      def check_headers(headers)
        unless headers.is_a?(Hash)
          fail_with "headers object should be a hash, but isn't (got #{headers.class} as headers)"
        end
        fail_with 'headers object should not be frozen, but is' if headers.frozen?
        headers.each { |key, value| check_header(key, value) }
      end

      def check_header(key, value)
        fail_with "header key must be a string, was #{key.class}" unless key.is_a?(String)
        return if key.start_with?('rack.')
        fail_with 'header must not contain status' if key == 'status'
        fail_with "invalid header name: #{key}" unless Lint.token?(key)
        if key.bytes.any? { |byte| byte >= 65 && byte <= 90 }
          fail_with "uppercase character in header name: #{key}"
        end
        if value.is_a?(String)
          check_header_value(key, value)
        elsif value.is_a?(Array)
          value.each { |one| check_header_value(key, one) }
        else
          fail_with "a header value must be a String or Array of Strings, but the value of '#{key}' is a #{value.class}"
        end
      end

      def check_header_value(key, value)
        unless value.is_a?(String)
          fail_with "a header value must be a String or Array of Strings, but the value of '#{key}' has a #{value.class}"
        end
        fail_with "invalid header value #{key}: #{value.inspect}" if value.bytes.any? { |byte| byte < 32 }
      end

      def check_entity_headers(status, headers)
        if Lint.bodiless?(status)
          %w[content-type content-length].each do |key|
            fail_with "#{key} header found in #{status} response, not allowed" if headers.key?(key)
          end
        end
        @content_length = headers['content-length']
      end

      def check_server_headers(headers)
        if headers.key?('rack.hijack') && !@env['rack.hijack?']
          fail_with 'rack.hijack header must not be present if server does not support hijacking'
        end
        protocol = headers['rack.protocol']
        return if protocol.nil?
        offered = @env['rack.protocol']
        if offered.nil?
          fail_with "rack.protocol header is #{protocol.inspect}, but rack.protocol was not set in request!"
        elsif !offered.include?(protocol)
          fail_with "rack.protocol header is #{protocol.inspect}, but should be one of #{offered.inspect} from the request!"
        end
      end

      def check_body
        return if @body.respond_to?(:each) || @body.respond_to?(:call)
        fail_with "Body must respond to each or call, but is a #{@body.class}"
      end

      # Several of them in one stack of middleware watch over each other: the innermost comes first.
      def join_others
        @lint = (@env['rack.lint'] ||= [])
        @lint << self
        @env['rack.lint.body_iteration'] ||= 0
        fail_with 'Middleware must not call #each directly' if @env['rack.lint.body_iteration'] > 0
      end

      def invoke(method)
        fail_with "Response body must only be invoked once (#{@invoked})" if @invoked
        fail_with 'Response body is already closed' if @closed
        @invoked = method
      end

      def count_iteration
        if @lint[0].equal?(self)
          @env['rack.lint.body_iteration'] += 1
        elsif (@env['rack.lint.body_iteration'] -= 1) > 0
          fail_with 'New body must yield at least once per iteration of old body'
        end
      end

      def check_size(size)
        if @env['REQUEST_METHOD'] == 'HEAD'
          fail_with 'Response body was given for HEAD request, but should be empty' unless size == 0
        elsif @content_length && @content_length != size.to_s
          fail_with "content-length header was #{@content_length}, but should be #{size}"
        end
      end

      def check_path(path)
        return if path.nil?
        fail_with "body.to_path must return nil or a String, but returned #{path.inspect}" unless path.is_a?(String)
        fail_with 'The file identified by body.to_path does not exist' unless File.exist?(path)
        path
      end

      def check_array(content)
        wrong = content.find { |chunk| !chunk.is_a?(String) }
        fail_with "Body yielded non-string value #{wrong.inspect}" if wrong || content.include?(nil)
        unless @body.is_a?(Array)
          yielded = []
          @body.each { |chunk| yielded << chunk }
          fail_with '#to_ary not identical to contents produced by calling #each' unless content == yielded
        end
        return if @env['REQUEST_METHOD'] == 'HEAD'
        check_size(content.inject(0) { |sum, chunk| sum + chunk.bytesize })
      end
    end
  end
end
