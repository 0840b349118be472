module URI
  class Error < StandardError; end
  class InvalidURIError < Error; end
  class InvalidComponentError < Error; end
  class BadURIError < Error; end

  class << self
    def split(uri)
      parts = _split(uri.to_s)
      raise InvalidURIError, "bad URI(is not URI?): #{uri.inspect}" unless parts
      # With CRuby's gap, the registry.
      [parts[0], parts[1], parts[2], parts[3], nil, parts[4], parts[5], parts[6], parts[7]]
    end

    def parse(uri)
      raise InvalidURIError, "bad URI(is not URI?): #{uri.inspect}" unless uri.is_a?(String)
      parts = _split(uri)
      raise InvalidURIError, "bad URI(is not URI?): #{uri.inspect}" unless parts
      _class_of(parts[0]).new(*parts)
    end

    def join(first, *others)
      others.inject(first.is_a?(Generic) ? first : parse(first)) { |base, other| base.merge(other) }
    end

    def _class_of(scheme)
      case scheme && scheme.downcase
      when 'http' then HTTP
      when 'https' then HTTPS
      else Generic
      end
    end

    def encode_www_form_component(text)
      _encode(text.to_s, true)
    end

    def encode_uri_component(text)
      _encode(text.to_s, false)
    end

    def decode_www_form_component(text)
      _decode(text, true) || raise(ArgumentError, "invalid %-encoding (#{text})")
    end

    def decode_uri_component(text)
      _decode(text, false) || raise(ArgumentError, "invalid %-encoding (#{text})")
    end

    # Of a Hash or of pairs; an Array as a value gives its name several times, nil the name alone.
    def encode_www_form(pairs)
      parts = []
      pairs.each do |name, value|
        name = encode_www_form_component(name)
        if value.is_a?(Array)
          value.each { |one| parts << (one.nil? ? name : "#{name}=#{encode_www_form_component(one)}") }
        else
          parts << (value.nil? ? name : "#{name}=#{encode_www_form_component(value)}")
        end
      end
      parts.join('&')
    end

    # [[name, value], ...]; a % without two digits stands for itself.
    def decode_www_form(text, separator: '&')
      return [] if text.empty?
      text.split(separator, -1).map do |part|
        equals = part.index('=')
        name = equals ? part[0, equals] : part
        value = equals ? part[equals + 1, part.size] : ''
        [_decode(name, true, true), _decode(value, true, true)]
      end
    end
  end

  class Generic
    DEFAULT_PORT = nil
    # What may stand there beside letters and digits: the rest is percent-encoded.
    IN_QUERY = '!$%&()*+,-./:;=?@[\\]^_{|}~'.freeze
    IN_FRAGMENT = (IN_QUERY + %q{"#'<>`}).freeze

    def self.build(parts)
      unless parts.is_a?(Hash)
        raise ArgumentError, "expected a Hash of components, got #{parts.class}"
      end
      scheme = parts[:scheme] || self::SCHEME
      uri = new(scheme, nil, nil, nil, '', nil, nil, nil)
      parts.each { |name, value| uri.__send__("#{name}=", value) unless name == :scheme }
      uri
    end
    SCHEME = nil

    attr_reader :scheme, :userinfo, :host, :path, :opaque, :query, :fragment

    def initialize(scheme, userinfo, host, port, path, opaque, query, fragment)
      @scheme = scheme && scheme.downcase
      @userinfo = userinfo
      @host = host
      @port = port && port.to_i
      @path = opaque ? nil : path.to_s
      @opaque = opaque
      @query = query
      @fragment = fragment
    end

    def port
      @port || default_port
    end

    def default_port
      self.class::DEFAULT_PORT
    end

    def user
      @userinfo && @userinfo.split(':', 2)[0]
    end

    def password
      @userinfo && @userinfo.split(':', 2)[1]
    end

    # Without the brackets of an IPv6 address.
    def hostname
      @host && @host.start_with?('[') && @host.end_with?(']') ? @host[1...-1] : @host
    end

    def hostname=(name)
      self.host = name && name.include?(':') && !name.start_with?('[') ? "[#{name}]" : name
    end

    def scheme=(scheme)
      _check('scheme', scheme) { |text| URI._split("#{text}:/")[0] == text }
      @scheme = scheme && scheme.downcase
    end

    def userinfo=(userinfo)
      _check('userinfo', userinfo) { |text| URI._split("//#{text}@h")[1] == text }
      @userinfo = userinfo
    end

    def host=(host)
      _check('host', host) { |text| URI._split("//#{text}/")[2] == text }
      @host = host
    end

    def port=(port)
      _check('port', port && port.to_s) { |text| text.empty? || URI._split("//h:#{text}/")[3] == text }
      @port = port.nil? || port == '' ? nil : port.to_i
    end

    def path=(path)
      _check('path', path) { |text| URI._split("x://h/#{text}")[4] == "/#{text}" }
      if @host && !path.to_s.empty? && !path.start_with?('/')
        raise InvalidComponentError, "bad component(expected path component): #{path}"
      end
      @path = path.to_s
    end

    def query=(query)
      raise InvalidURIError, 'query conflicts with opaque' if query && @opaque
      @query = query && URI._encode(query.delete("\t\r\n"), false, IN_QUERY)
    end

    def fragment=(fragment)
      @fragment = fragment && URI._encode(fragment.delete("\t\r\n"), false, IN_FRAGMENT)
    end

    def _check(name, text)
      return if text.nil?
      valid = begin
        yield text
      rescue NoMethodError
        false
      end
      raise InvalidComponentError, "bad component(expected #{name} component): #{text}" unless valid
    end

    def absolute?
      !@scheme.nil?
    end
    alias absolute absolute?

    def relative?
      @scheme.nil?
    end

    def hierarchical?
      @opaque.nil?
    end

    # RFC 3986, 5.2.2.
    def merge(reference)
      other = reference.is_a?(Generic) ? reference.dup : URI.parse(reference)
      raise BadURIError, 'both URI are relative' if relative? && other.relative?
      return other._with_path(URI::Generic._without_dots(other.path)) if other.absolute?
      raise BadURIError, "#{self} is not hierarchical" unless hierarchical?
      parts = if other.host
                [other.userinfo, other.host, other._port, Generic._without_dots(other.path), other.query]
              elsif other.path.empty?
                [@userinfo, @host, @port, @path, other.query || @query]
              elsif other.path.start_with?('/')
                [@userinfo, @host, @port, Generic._without_dots(other.path), other.query]
              else
                [@userinfo, @host, @port, Generic._without_dots(_beside(other.path)), other.query]
              end
      self.class.new(@scheme, parts[0], parts[1], parts[2] && parts[2].to_s, parts[3], nil, parts[4], other.fragment)
    end
    alias + merge

    def _with_path(path)
      @path = path unless @opaque
      self
    end

    def _port
      @port
    end

    def _beside(path)
      return "/#{path}" if @host && @path.empty?
      slash = @path.rindex('/')
      slash ? @path[0..slash] + path : path
    end

    # RFC 3986, 5.2.4.
    def self._without_dots(path)
      return path if path.nil? || !path.include?('.')
      kept = []
      parts = path.split('/', -1)
      parts.each_with_index do |part, index|
        last = index == parts.size - 1
        if part == '.'
          kept << '' if last
        elsif part == '..'
          kept.pop if kept.size > 1 || (kept.size == 1 && kept[0] != '')
          kept << '' if last
        else
          kept << part
        end
      end
      kept.join('/')
    end

    def normalize
      made = dup
      made._normalize
      made
    end

    def _normalize
      @host = @host && @host.downcase
      @path = '/' if @host && @path == ''
    end

    def request_uri
      return nil unless @path
      path = @path.empty? ? '/' : @path
      @query ? "#{path}?#{@query}" : path
    end

    def to_s
      text = ''
      text << "#{@scheme}:" if @scheme
      if @opaque
        text << @opaque
      else
        text << '//' if @host
        text << "#{@userinfo}@" if @userinfo
        text << @host if @host
        text << ":#{@port}" if @port && @port != default_port
        text << @path
        text << "?#{@query}" if @query
      end
      text << "##{@fragment}" if @fragment
      text
    end

    def ==(other)
      other.is_a?(Generic) && normalize.to_s == other.normalize.to_s
    end

    def eql?(other)
      other.is_a?(Generic) && to_s == other.to_s
    end

    def hash
      to_s.hash
    end

    def inspect
      "#<#{self.class} #{self}>"
    end
  end

  class HTTP < Generic
    DEFAULT_PORT = 80
    SCHEME = 'http'

    def authority
      port == default_port ? host : "#{host}:#{port}"
    end

    def origin
      "#{scheme}://#{authority}"
    end
  end

  class HTTPS < HTTP
    DEFAULT_PORT = 443
    SCHEME = 'https'
  end
end

module Kernel
  def URI(uri)
    return uri if uri.is_a?(URI::Generic)
    raise ArgumentError, 'bad argument (expected URI object or URI string)' unless uri.is_a?(String)
    URI.parse(uri)
  end
end
