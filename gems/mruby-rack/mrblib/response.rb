module Rack
  # A response that is being made. `finish` gives what an application returns.
  class Response
    CHUNKED = 'chunked'

    def self.[](status, headers, body)
      new(body, status, headers)
    end

    attr_accessor :length, :status, :body
    attr_reader :headers

    # `body`: nil, a String, or what responds to each or call.
    def initialize(body = nil, status = 200, headers = {})
      raise ArgumentError, 'Headers must be a Hash!' unless headers.is_a?(Hash)
      @status = status.to_i
      @headers = Headers.new
      headers.each { |key, value| @headers[key] = value }
      @block = nil
      @sink = nil
      @length = nil
      if body.nil? || body.is_a?(String)
        @body = body ? [body] : []
        @length = body.bytesize if body
        @buffered = true
      else
        @body = body
        @buffered = nil
      end
      yield self if block_given?
    end

    def redirect(target, status = 302)
      self.status = status
      self.location = target
    end

    def chunked?
      get_header(TRANSFER_ENCODING) == CHUNKED
    end

    def no_entity_body?
      @body.respond_to?(:each) && Utils::STATUS_WITH_NO_ENTITY_BODY.key?(@status)
    end

    # [status, headers, body]. With a block the body is made while it is sent: what the block writes goes out.
    def finish(&block)
      if no_entity_body?
        delete_header(CONTENT_TYPE)
        delete_header(CONTENT_LENGTH)
        close
        return [@status, @headers, []]
      end
      if block
        @block = block
        return [@status, @headers, self]
      end
      set_header(CONTENT_LENGTH, @length.to_s) if @length && !chunked?
      [@status, @headers, @body]
    end
    alias to_a finish

    def each(&callback)
      @body.each(&callback)
      @buffered = true
      return unless @block
      @sink = callback
      @block.call(self)
    end

    def write(chunk)
      buffered_body!
      chunk = chunk.to_s
      if @sink
        @sink.call(chunk)
      else
        append(chunk)
      end
    end

    def close
      @body.close if @body.respond_to?(:close)
    end

    def empty?
      @block.nil? && @body.empty?
    end

    def has_header?(key)
      @headers.key?(key)
    end

    def get_header(key)
      @headers[key]
    end
    alias [] get_header

    def set_header(key, value)
      @headers[key] = value
    end
    alias []= set_header

    def delete_header(key)
      @headers.delete(key)
    end

    # Questions and shorthands for whatever has status, get_header, set_header, delete_header.
    module Helpers
      def invalid?
        status < 100 || status >= 600
      end

      def informational?
        status >= 100 && status < 200
      end

      def successful?
        status >= 200 && status < 300
      end

      def redirection?
        status >= 300 && status < 400
      end

      def client_error?
        status >= 400 && status < 500
      end

      def server_error?
        status >= 500 && status < 600
      end

      {
        ok: 200, created: 201, accepted: 202, no_content: 204, moved_permanently: 301, bad_request: 400,
        unauthorized: 401, forbidden: 403, not_found: 404, method_not_allowed: 405, not_acceptable: 406,
        request_timeout: 408, precondition_failed: 412, unprocessable: 422
      }.each { |name, code| define_method("#{name}?") { status == code } }

      def redirect?
        [301, 302, 303, 307, 308].include?(status)
      end

      def include?(key)
        has_header?(key)
      end

      # Another value for a header that may have many.
      def add_header(key, value)
        raise ArgumentError, 'key must be a String' unless key.is_a?(String)
        before = get_header(key)
        return before if value.nil?
        value = value.to_s
        return set_header(key, value) if before.nil?
        return set_header(key, [before, value]) unless before.is_a?(Array)
        before << value
      end

      def content_type
        get_header(CONTENT_TYPE)
      end

      def content_type=(type)
        set_header(CONTENT_TYPE, type)
      end

      def media_type
        MediaType.type(content_type)
      end

      def media_type_params
        MediaType.params(content_type)
      end

      def content_length
        length = get_header(CONTENT_LENGTH)
        length && length.to_i
      end

      def location
        get_header('location')
      end

      def location=(target)
        set_header('location', target)
      end

      def set_cookie(key, value)
        Utils.set_cookie_header!(headers, key, value)
      end

      def delete_cookie(key, value = {})
        Utils.delete_cookie_header!(headers, key, value)
      end

      def set_cookie_header
        get_header(SET_COOKIE)
      end

      def set_cookie_header=(value)
        set_header(SET_COOKIE, value)
      end

      def cache_control
        get_header(CACHE_CONTROL)
      end

      def cache_control=(value)
        set_header(CACHE_CONTROL, value)
      end

      def do_not_cache!
        set_header(CACHE_CONTROL, 'no-cache, must-revalidate')
        set_header(EXPIRES, Time.now.httpdate)
      end

      def cache!(duration = 3600, directive: 'public')
        return if cache_control.to_s.include?('no-cache')
        set_header(CACHE_CONTROL, "#{directive}, max-age=#{duration}")
        set_header(EXPIRES, (Time.now + duration).httpdate)
      end

      def etag
        get_header(ETAG)
      end

      def etag=(value)
        set_header(ETAG, value)
      end

      protected

      # Takes the body into an Array that can be written to. False: it can't be.
      def buffered_body!
        return @buffered unless @buffered.nil?
        return @buffered = false unless @body.respond_to?(:each)
        given = @body
        @body = []
        @length = 0
        @buffered = true
        given.each { |chunk| append(chunk.to_s) unless chunk.nil? }
        given.close if given.respond_to?(:close)
        true
      end

      def append(chunk)
        chunk = chunk.dup unless chunk.frozen?
        @body << chunk
        @length = (@length || 0) + chunk.bytesize
        chunk
      end
    end
    include Helpers

    # The helpers for a status and headers that are there already.
    class Raw
      include Helpers

      attr_reader :headers
      attr_accessor :status

      def initialize(status, headers)
        @status = status
        @headers = headers
      end

      def has_header?(key)
        @headers.key?(key)
      end

      def get_header(key)
        @headers[key]
      end

      def set_header(key, value)
        @headers[key] = value
      end

      def delete_header(key)
        @headers.delete(key)
      end
    end
  end
end
