module Rack
  module Utils
    ParameterTypeError = QueryParser::ParameterTypeError
    InvalidParameterError = QueryParser::InvalidParameterError
    ParamsTooDeepError = QueryParser::ParamsTooDeepError
    QueryLimitError = QueryParser::QueryLimitError
    DEFAULT_SEP = '&'

    HTTP_STATUS_CODES = {
      100 => 'Continue',
      101 => 'Switching Protocols',
      102 => 'Processing',
      103 => 'Early Hints',
      200 => 'OK',
      201 => 'Created',
      202 => 'Accepted',
      203 => 'Non-Authoritative Information',
      204 => 'No Content',
      205 => 'Reset Content',
      206 => 'Partial Content',
      207 => 'Multi-Status',
      208 => 'Already Reported',
      226 => 'IM Used',
      300 => 'Multiple Choices',
      301 => 'Moved Permanently',
      302 => 'Found',
      303 => 'See Other',
      304 => 'Not Modified',
      305 => 'Use Proxy',
      307 => 'Temporary Redirect',
      308 => 'Permanent Redirect',
      400 => 'Bad Request',
      401 => 'Unauthorized',
      402 => 'Payment Required',
      403 => 'Forbidden',
      404 => 'Not Found',
      405 => 'Method Not Allowed',
      406 => 'Not Acceptable',
      407 => 'Proxy Authentication Required',
      408 => 'Request Timeout',
      409 => 'Conflict',
      410 => 'Gone',
      411 => 'Length Required',
      412 => 'Precondition Failed',
      413 => 'Content Too Large',
      414 => 'URI Too Long',
      415 => 'Unsupported Media Type',
      416 => 'Range Not Satisfiable',
      417 => 'Expectation Failed',
      421 => 'Misdirected Request',
      422 => 'Unprocessable Content',
      423 => 'Locked',
      424 => 'Failed Dependency',
      425 => 'Too Early',
      426 => 'Upgrade Required',
      428 => 'Precondition Required',
      429 => 'Too Many Requests',
      431 => 'Request Header Fields Too Large',
      451 => 'Unavailable For Legal Reasons',
      500 => 'Internal Server Error',
      501 => 'Not Implemented',
      502 => 'Bad Gateway',
      503 => 'Service Unavailable',
      504 => 'Gateway Timeout',
      505 => 'HTTP Version Not Supported',
      506 => 'Variant Also Negotiates',
      507 => 'Insufficient Storage',
      508 => 'Loop Detected',
      511 => 'Network Authentication Required',
    }

    STATUS_WITH_NO_ENTITY_BODY = { 204 => true, 304 => true }
    (100..199).each { |status| STATUS_WITH_NO_ENTITY_BODY[status] = true }

    SYMBOL_TO_STATUS_CODE = { payload_too_large: 413, unprocessable_entity: 422 }
    HTTP_STATUS_CODES.each { |code, text| SYMBOL_TO_STATUS_CODE[text.downcase.tr(' -', '__').to_sym] = code }

    class << self
      attr_accessor :default_query_parser, :multipart_file_limit, :multipart_total_part_limit
      alias multipart_part_limit multipart_file_limit
      alias multipart_part_limit= multipart_file_limit=

      def param_depth_limit
        default_query_parser.param_depth_limit
      end

      def param_depth_limit=(limit)
        self.default_query_parser = default_query_parser.new_depth_limit(limit)
      end
    end
    self.default_query_parser = QueryParser.make_default(32)
    self.multipart_file_limit = 128
    self.multipart_total_part_limit = 4096

    extend self

    def escape(text)
      URI.encode_www_form_component(text)
    end

    def unescape(text)
      URI.decode_www_form_component(text)
    end

    def escape_html(text)
      ERB::Util.html_escape(text)
    end

    def parse_query(text, separator = nil, &unescaper)
      Utils.default_query_parser.parse_query(text, separator, &unescaper)
    end

    def parse_nested_query(text, separator = nil)
      Utils.default_query_parser.parse_nested_query(text, separator)
    end

    def build_query(params)
      params.map { |name, value|
        if value.is_a?(Array)
          build_query(value.map { |one| [name, one] })
        else
          value.nil? ? escape(name) : "#{escape(name)}=#{escape(value)}"
        end
      }.join('&')
    end

    def build_nested_query(value, prefix = nil)
      case value
      when Array
        value.map { |one| build_nested_query(one, "#{prefix}[]") }.join('&')
      when Hash
        parts = value.map { |name, one| build_nested_query(one, prefix ? "#{prefix}[#{name}]" : name) }
        parts.reject { |part| part.empty? }.join('&')
      when nil
        escape(prefix)
      else
        raise ArgumentError, 'value must be a Hash' if prefix.nil?
        "#{escape(prefix)}=#{escape(value)}"
      end
    end

    # [["text/html", 1.0], ...]
    def q_values(header)
      header.to_s.split(',').reject { |part| part.strip.empty? }.map do |part|
        value, parameters = part.split(';', 2).map { |text| text.strip }
        weight = parameters && parameters.start_with?('q=') ? parameters[2, parameters.length] : ''
        [value, '0123456789.'.include?(weight[0] || ' ') ? weight.to_f : 1.0]
      end
    end

    # Which of the available types the client likes best.
    def best_q_match(header, available)
      best = nil
      best_weight = nil
      q_values(header).each do |wanted, quality|
        match = available.find { |type| Mime.match?(type, wanted) }
        next unless match
        weight = match.split('/', 2).count('*') * -10 + quality
        best, best_weight = match, weight if best.nil? || weight >= best_weight
      end
      best
    end

    # Of what both sides know the one that the client likes most; nil: nothing. `accepted`: [[name, quality], ...].
    def select_best_encoding(available, accepted)
      wanted = []
      accepted.each do |name, quality|
        preference = available.index(name) || available.size
        if name == '*'
          (available - accepted.map { |one| one[0] }).each { |other| wanted << [other, quality, preference] }
        else
          wanted << [name, quality, preference]
        end
      end
      candidates = wanted.sort { |one, other|
        order = other[1] <=> one[1]
        order == 0 ? one[2] <=> other[2] : order
      }.map { |one| one[0] }
      candidates << 'identity' unless candidates.include?('identity')
      wanted.each { |name, quality, _| candidates.delete(name) if quality == 0.0 }
      (candidates & available)[0]
    end

    # {for: [...], by: [...], host: [...], proto: [...]} of the Forwarded header; nil: there is none, or it is none.
    def forwarded_values(header)
      return nil unless header
      values = {}
      header.split(',').join(';').tr("\n", ';').split(';').each do |field|
        name, value = field.strip.split('=', 2)
        next if name.nil?
        return nil if value.nil?
        key = FORWARDED_NAMES[name.strip.downcase]
        return nil unless key
        value = value.strip
        value = value[1, value.length - 2] if value.length > 1 && value.start_with?('"') && value.end_with?('"')
        (values[key] ||= []) << value
      end
      values
    end
    FORWARDED_NAMES = { 'by' => :by, 'for' => :for, 'host' => :host, 'proto' => :proto }

    def parse_cookies(env)
      parse_cookies_header(env[HTTP_COOKIE])
    end

    # The value of a set-cookie header. `value`: a String or an Array of them, or a Hash of :value, :domain, :path,
    # :max_age, :expires, :secure, :httponly, :same_site, :partitioned and :escape_key.
    def set_cookie_header(key, value)
      attributes = ''
      escape_key = true
      if value.is_a?(Hash)
        attributes = _cookie_attributes(value)
        escape_key = value[:escape_key] != false
        value = value[:value]
      end
      raise ArgumentError, "invalid cookie key: #{key.inspect}" unless escape_key || Lint.token?(key.to_s)
      value = [value] unless value.is_a?(Array)
      "#{escape_key ? escape(key) : key}=#{value.map { |one| escape(one) }.join('&')}#{attributes}"
    end

    def set_cookie_header!(headers, key, value)
      before = headers[SET_COOKIE]
      cookie = set_cookie_header(key, value)
      if before.is_a?(Array)
        before << cookie
      else
        headers[SET_COOKIE] = before ? [before, cookie] : cookie
      end
    end

    def delete_set_cookie_header(key, value = {})
      set_cookie_header(key, value.merge(max_age: '0', expires: Time.at(0), value: ''))
    end

    def delete_set_cookie_header!(header, key, value = {})
      cookie = delete_set_cookie_header(key, value)
      return cookie unless header
      header.is_a?(Array) ? header << cookie : [header, cookie]
    end

    def delete_cookie_header!(headers, key, value = {})
      headers[SET_COOKIE] = delete_set_cookie_header!(headers[SET_COOKIE], key, value)
      nil
    end

    def rfc2822(time)
      time.rfc2822
    end

    # Ranges of the Range header; nil: there is none, or it means nothing; []: none of them can be satisfied.
    def byte_ranges(env, size, max_ranges: 100)
      get_byte_ranges(env['HTTP_RANGE'], size, max_ranges: max_ranges)
    end

    def get_byte_ranges(header, size, max_ranges: 100)
      return nil if size == 0 || header.nil?
      start = header.index('bytes=')
      return nil unless start
      list = header[start + 6, header.length].split(';', 2)[0]
      return nil if list.nil? || list.empty? || list.count(',') >= max_ranges
      ranges = []
      list.split(',').each do |part|
        range = _byte_range(part.strip, size)
        return nil if range.nil?
        ranges << range if range.first <= range.last
      end
      total = ranges.inject(0) { |sum, range| sum + range.last - range.first + 1 }
      total > size ? [] : ranges
    end

    def secure_compare(one, other)
      one.bytesize == other.bytesize && OpenSSL.fixed_length_secure_compare(one, other)
    end

    def clock_time
      Process.clock_gettime(Process::CLOCK_MONOTONIC)
    end

    def status_code(status)
      return status.to_i unless status.is_a?(Symbol)
      SYMBOL_TO_STATUS_CODE.fetch(status) { raise ArgumentError, "Unrecognized status code #{status.inspect}" }
    end

    # Without what would lead elsewhere.
    def clean_path_info(path)
      parts = path.split('/')
      clean = []
      parts.each do |part|
        next if part.empty? || part == '.'
        part == '..' ? clean.pop : clean << part
      end
      cleaned = clean.join('/')
      parts.empty? || parts[0].empty? ? "/#{cleaned}" : cleaned
    end

    def valid_path?(path)
      path.valid_encoding? && !path.include?("\0")
    end

    def _cookie_attributes(value)
      text = ''
      text << "; domain=#{value[:domain]}" if value[:domain]
      text << "; path=#{value[:path]}" if value[:path]
      text << "; max-age=#{value[:max_age]}" if value[:max_age]
      text << "; expires=#{value[:expires].httpdate}" if value[:expires]
      text << '; secure' if value[:secure]
      text << '; httponly' if value.key?(:httponly) ? value[:httponly] : value[:http_only]
      text << _same_site(value[:same_site])
      text << '; partitioned' if value[:partitioned]
      text
    end

    def _same_site(value)
      case value
      when false, nil then ''
      when :none, :None, 'None' then '; samesite=none'
      when :lax, :Lax, 'Lax' then '; samesite=lax'
      when true, :strict, :Strict, 'Strict' then '; samesite=strict'
      else raise ArgumentError, "Invalid :same_site value: #{value.inspect}"
      end
    end

    # nil: it is none. Its end is before its begin when it can't be satisfied.
    def _byte_range(text, size)
      return nil unless text.include?('-')
      from, to = text.split('-')
      if from.nil? || from.empty?
        return nil if to.nil?
        from = size - to.to_i
        return (from < 0 ? 0 : from)..(size - 1)
      end
      from = from.to_i
      return from..(size - 1) if to.nil?
      to = to.to_i
      return nil if to < from
      from..(to < size ? to : size - 1)
    end
  end
end
