module Rack
  # A request as its env tells it. It keeps nothing to itself but the env.
  class Request
    ALLOWED_SCHEMES = %w[https http wss ws].freeze
    FORM_DATA_MEDIA_TYPES = %w[application/x-www-form-urlencoded multipart/form-data].freeze
    PARSEABLE_DATA_MEDIA_TYPES = %w[multipart/related multipart/mixed].freeze
    DEFAULT_PORTS = { 'http' => 80, 'https' => 443, 'ws' => 80, 'wss' => 443 }.freeze

    class << self
      # Which headers of proxies are asked, and in which order: of :forwarded and :x_forwarded. [] for none.
      attr_accessor :forwarded_priority

      # X-Forwarded-Proto (:proto) before X-Forwarded-Scheme (:scheme), or the other way.
      attr_accessor :x_forwarded_proto_priority

      # Says of an address whether a proxy of ours has it.
      attr_accessor :ip_filter
    end
    self.forwarded_priority = %i[forwarded x_forwarded]
    self.x_forwarded_proto_priority = %i[proto scheme]

    attr_reader :env

    def initialize(env)
      @env = env
      @params = nil
    end

    def initialize_copy(other)
      @env = other.env.dup
    end

    def has_header?(name)
      @env.key?(name)
    end

    def get_header(name)
      @env[name]
    end

    def fetch_header(name, &block)
      @env.fetch(name, &block)
    end

    def each_header(&block)
      @env.each(&block)
    end

    def set_header(name, value)
      @env[name] = value
    end

    def add_header(name, value)
      return @env[name] if value.nil?
      @env[name] = @env.key?(name) ? "#{@env[name]},#{value}" : value
    end

    def delete_header(name)
      @env.delete(name)
    end

    def body
      @env['rack.input']
    end

    def script_name
      @env['SCRIPT_NAME'].to_s
    end

    def script_name=(name)
      @env['SCRIPT_NAME'] = name.to_s
    end

    def path_info
      @env['PATH_INFO'].to_s
    end

    def path_info=(path)
      @env['PATH_INFO'] = path.to_s
    end

    def request_method
      @env['REQUEST_METHOD']
    end

    def query_string
      @env['QUERY_STRING'].to_s
    end

    def content_length
      @env['CONTENT_LENGTH']
    end

    def content_type
      type = @env['CONTENT_TYPE']
      type.nil? || type.empty? ? nil : type
    end

    def logger
      @env['rack.logger']
    end

    def user_agent
      @env['HTTP_USER_AGENT']
    end

    def referer
      @env['HTTP_REFERER']
    end
    alias referrer referer

    def session
      @env['rack.session'] ||= {}
    end

    def session_options
      @env['rack.session.options'] ||= {}
    end

    def get?
      request_method == 'GET'
    end

    def head?
      request_method == 'HEAD'
    end

    def post?
      request_method == 'POST'
    end

    def put?
      request_method == 'PUT'
    end

    def patch?
      request_method == 'PATCH'
    end

    def delete?
      request_method == 'DELETE'
    end

    def options?
      request_method == 'OPTIONS'
    end

    def link?
      request_method == 'LINK'
    end

    def unlink?
      request_method == 'UNLINK'
    end

    def trace?
      request_method == 'TRACE'
    end

    def xhr?
      @env['HTTP_X_REQUESTED_WITH'] == 'XMLHttpRequest'
    end

    def prefetch?
      @env['HTTP_X_MOZ'] == 'prefetch' || @env['HTTP_PURPOSE'] == 'prefetch' ||
        @env['HTTP_SEC_PURPOSE'].to_s.start_with?('prefetch')
    end

    def media_type
      MediaType.type(content_type)
    end

    def media_type_params
      MediaType.params(content_type)
    end

    def content_charset
      media_type_params['charset']
    end

    # A POST without a Content-Type is taken for a form, too.
    def form_data?
      type = media_type
      method = @env['rack.methodoverride.original_method'] || request_method
      (method == 'POST' && type.nil?) || FORM_DATA_MEDIA_TYPES.include?(type)
    end

    def parseable_data?
      PARSEABLE_DATA_MEDIA_TYPES.include?(media_type)
    end

    # What the Cookie header says, by names.
    def cookies
      hash = (@env['rack.request.cookie_hash'] ||= {})
      text = @env['HTTP_COOKIE']
      return hash if text == @env['rack.request.cookie_string']
      hash.replace(Utils.parse_cookies_header(text))
      @env['rack.request.cookie_string'] = text
      hash
    end

    # The parameters of the query string.
    def GET
      text = query_string
      return @env['rack.request.query_hash'] if @env['rack.request.query_string'] == text
      hash = parse_query(text)
      @env['rack.request.query_string'] = text
      @env['rack.request.query_hash'] = hash
    end

    # The parameters of a form in the body; {} when there is none.
    def POST
      raise @env['rack.request.form_error'] if @env['rack.request.form_error']
      input = @env['rack.input']
      hash = @env['rack.request.form_hash']
      return hash if hash && @env['rack.request.form_input'].equal?(input)
      hash = input.nil? ? {} : _read_form(input)
      @env['rack.request.form_input'] = input
      @env['rack.request.form_hash'] = hash
    rescue => error
      @env['rack.request.form_error'] = error
      raise error
    end

    # Of the query and of the body, which goes first.
    def params
      @params ||= self.GET.merge(self.POST)
    end

    # Where there is such a parameter already, else in the query's.
    def update_param(name, value)
      found = [self.GET, self.POST].select { |hash| hash.key?(name) }
      found << self.GET if found.empty?
      found.each { |hash| hash[name] = value }
      @params = nil
    end

    def delete_param(name)
      posted = self.POST.delete(name)
      queried = self.GET.delete(name)
      @params = nil
      posted || queried
    end

    def [](name)
      params[name.to_s]
    end

    def []=(name, value)
      params[name.to_s] = value
    end

    def values_at(*names)
      names.map { |name| params[name] }
    end

    # [["gzip", 1.0], ...]
    def accept_encoding
      Utils.q_values(@env['HTTP_ACCEPT_ENCODING'])
    end

    def accept_language
      Utils.q_values(@env['HTTP_ACCEPT_LANGUAGE'])
    end

    private

    def query_parser
      Utils.default_query_parser
    end

    def parse_query(text, separator = '&')
      query_parser.parse_nested_query(text, separator)
    end

    def parse_multipart
      Multipart.extract_multipart(self, query_parser)
    end

    def _read_form(input)
      return {} unless form_data? || parseable_data?
      params = parse_multipart
      return params if params
      # One more byte than may be is enough to be told so, and one for the NUL that old Safaris append.
      limit = query_parser.bytesize_limit
      text = (limit ? input.read(limit + 2) : input.read) || ''
      text = text[0, text.length - 1] if text.end_with?("\0")
      @env['rack.request.form_vars'] = text
      parse_query(text)
    end
  end
end
