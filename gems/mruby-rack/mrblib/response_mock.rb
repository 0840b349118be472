module Rack
  # What an application answered to a MockRequest.
  class MockResponse < Response
    # Its methods are those of its value, too: an Array with one String.
    class Cookie
      attr_reader :name, :value, :path, :domain, :expires, :secure

      def initialize(attributes)
        @name = attributes['name']
        @value = attributes['value']
        @path = attributes['path']
        @domain = attributes['domain']
        @expires = attributes['expires']
        @secure = attributes['secure']
      end

      def method_missing(name, *arguments, &block)
        @value.__send__(name, *arguments, &block)
      end

      def respond_to_missing?(name, include_all = false)
        @value.respond_to?(name, include_all) || super
      end
    end

    attr_reader :original_headers, :cookies
    attr_accessor :errors

    def initialize(status, headers, body, errors = nil)
      @original_headers = headers
      @errors = errors.respond_to?(:string) ? errors.string : ''
      super(body, status, headers)
      @cookies = _read_cookies
      @text = _read_body
    end

    # All of it, as a String.
    def body
      @text
    end

    def =~(other)
      body =~ other
    end

    def match(other)
      body.match(other)
    end

    def empty?
      [201, 204, 304].include?(status)
    end

    def cookie(name)
      @cookies[name]
    end

    private

    def _read_body
      text = ''
      if @body.respond_to?(:each)
        @body.each { |chunk| text << chunk }
      else
        stream = StringIO.new(text)
        @body.call(stream)
        text = stream.string
      end
      text
    ensure
      @body.close if @body.respond_to?(:close)
    end

    def _read_cookies
      cookies = {}
      [headers['set-cookie']].flatten.compact.each do |header|
        parts = header.split(';').map { |part| part.strip }
        name, value = parts.shift.split('=', 2)
        attributes = { 'name' => name, 'value' => [Utils.unescape(value)], 'secure' => false }
        parts.each { |part| _read_attribute(part, attributes) }
        attributes['expires'] = Time.now + attributes['max-age'].to_i if attributes['max-age']
        cookies[name] = Cookie.new(attributes)
      end
      cookies
    end

    def _read_attribute(part, attributes)
      name, value = part.split('=', 2)
      case name.downcase
      when 'secure' then attributes['secure'] = true
      when 'expires' then attributes['expires'] = Time.httpdate(value)
      else attributes[name.downcase] = value
      end
    end
  end
end
