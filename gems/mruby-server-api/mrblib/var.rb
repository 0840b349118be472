module Cowherd
  class Server
    # The variables of a front end: those that nginx has, and whatever else it sends as a parameter, by its name in
    # lower case. A BasicObject, so that no method of Object or of an application's stands in the way of a name.
    class Var < BasicObject
      def initialize
        @variables = Variables.new
      end

      def set(name, value)
        @variables.set(name.to_s.downcase, value.to_s)
      end

      def exist?(name)
        !@variables.get(Variables.source(name.to_s.downcase)).nil?
      end

      # Names of methods are the scripts' own and few: where each value comes from is found out once.
      SOURCES = {}

      def method_missing(name, *values)
        return @variables.get(SOURCES[name] ||= Variables.source(name.to_s.downcase)) if values.empty?
        name = name.to_s.downcase
        unless name.end_with?('=') && values.size == 1
          ::Kernel.raise ::ArgumentError, "$#{name} takes no arguments"
        end
        @variables.set(name[0, name.length - 1], values.first.to_s)
      end

      def respond_to?(_name, _all = false)
        true
      end

      def inspect
        '#<Cowherd::Server::Var>'
      end
    end

    # What Var knows.
    class Variables < Part
      # Names whose parameter is called something else.
      PARAMETERS = {
        'https' => 'HTTPS', 'realpath_root' => 'DOCUMENT_ROOT', 'request_filename' => 'SCRIPT_FILENAME',
        'scheme' => 'rack.url_scheme'
      }.freeze
      # Names that Request and the others answer.
      COMPUTED = ['args', 'document_uri', 'host', 'is_args', 'msec', 'nginx_version', 'pid', 'request', 'request_body',
                  'request_uri', 'status', 'uri'].freeze
      # Parameters that say what the request is, and names that are parts of something.
      FIXED = ['content_length', 'content_type', 'document_root', 'path_info', 'query_string', 'remote_addr',
               'request_method', 'script_filename', 'script_name', 'server_name', 'server_port',
               'server_protocol'].freeze
      PARTS = ['arg_', 'cookie_', 'http_', 'rack.', 'sent_http_'].freeze

      # What `get` takes for a name in lower case.
      def self.source(name)
        return [:computed, name] if COMPUTED.include?(name)
        return [:env, PARAMETERS[name]] if PARAMETERS.key?(name)
        case
        when name.start_with?('arg_') then [:argument, name[4, name.length]]
        when name.start_with?('cookie_') then [:cookie, name[7, name.length]]
        when name.start_with?('sent_http_') then [:sent, name[10, name.length].tr('_', '-')]
        else [:env, name.upcase]
        end
      end

      def get(source)
        env = self.env
        kind, name = source
        case kind
        when :env then env[name]
        when :computed then computed(name)
        when :argument then find(request.args, '&', name)
        when :cookie then find(env['HTTP_COOKIE'] || '', ';', name)
        else sent(name)
        end
      end

      # Those who come later find it by the same name, applications in the env by its name in upper case.
      def set(name, value)
        env
        return request.args = value if name == 'args'
        if COMPUTED.include?(name) || PARAMETERS.key?(name) || FIXED.include?(name) ||
           PARTS.any? { |part| name.start_with?(part) }
          raise ArgumentError, "$#{name} can't be set"
        end
        if name.empty? || !name.tr('a-z0-9_', '').empty?
          raise ArgumentError, "#{name.inspect} can't be the name of a variable"
        end
        # A front end that asks whether the request may go on is told, too.
        request.headers_out["variable-#{name}"] = value if env['FCGI_ROLE'] == 'AUTHORIZER'
        __store(name.upcase, value)
      end

      def request
        Request.new
      end

      def computed(name)
        case name
        when 'args' then request.args
        when 'document_uri', 'uri' then request.uri
        when 'host' then request.hostname
        when 'is_args' then request.args.empty? ? '' : '?'
        when 'msec' then milliseconds(Time.now)
        when 'nginx_version' then Cowherd::Server.nginx_version
        when 'pid' then Cowherd::Server.__pid.to_s
        when 'request' then request.request_line
        when 'request_body' then request.body
        when 'request_uri' then request.unparsed_uri
        when 'status' then request.status.to_s
        end
      end

      # Seconds with three digits behind the point.
      def milliseconds(time)
        "#{time.to_i}.#{(time.usec / 1000).to_s.rjust(3, '0')}"
      end

      # The value of the first pair with that name, whose case nobody minds.
      def find(text, separator, name)
        text.split(separator).each do |pair|
          key, value = pair.strip.split('=', 2)
          return value || '' if key && key.downcase == name
        end
        nil
      end

      def sent(name)
        value = request.headers_out[name]
        value.is_a?(Array) ? value.join(', ') : value
      end
    end
  end
end
