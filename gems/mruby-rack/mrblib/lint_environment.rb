module Rack
  class Lint
    # What a server has to put into the env, and what middleware adds to it by convention.
    class Environment
      REQUIRED = %w[REQUEST_METHOD SERVER_NAME QUERY_STRING SERVER_PROTOCOL rack.errors].freeze
      LOGGER = %i[info debug warn error fatal].freeze
      INPUT = %i[gets each read].freeze
      ERRORS = %i[puts write flush].freeze

      def initialize(env)
        @env = env
      end

      # Checks all of it, and puts wrappers around its streams that check how they are used.
      def check
        fail_with "env #{@env.inspect} is not a Hash, but #{@env.class}" unless @env.is_a?(Hash)
        fail_with 'env should not be frozen, but is' if @env.frozen?
        check_extensions
        check_names
        check_server
        check_values
        check_streams
        check_method
        check_paths
        Lint.check_response_finished(@env)
      end

      private

      def fail_with(message)
        raise LintError, message
      end

      def check_extensions
        protocols = @env['rack.protocol']
        unless protocols.nil? || (protocols.is_a?(Array) && protocols.all? { |one| one.is_a?(String) })
          fail_with 'rack.protocol must be an Array of Strings'
        end
        check_session(@env['rack.session']) if @env['rack.session']
        check_logger(@env['rack.logger']) if @env['rack.logger']
        check_multipart
        { 'rack.hijack' => 'rack.hijack', 'rack.early_hints' => 'rack.early_hints' }.each do |key, name|
          fail_with "#{name} must respond to call" if @env[key] && !@env[key].respond_to?(:call)
        end
      end

      def check_session(session)
        [%i[store []=], %i[fetch []], %i[delete], %i[clear]].each do |methods|
          next if methods.all? { |name| session.respond_to?(name) }
          fail_with "session #{session.inspect} must respond to #{methods.join(' and ')}"
        end
        hash = session.is_a?(Hash) || !session.respond_to?(:to_hash) ? session : session.to_hash
        return if hash.is_a?(Hash) && !hash.frozen?
        fail_with "session #{session.inspect} must respond to to_hash and return unfrozen Hash instance"
      end

      def check_logger(logger)
        LOGGER.each do |name|
          fail_with "logger #{logger.inspect} must respond to #{name}" unless logger.respond_to?(name)
        end
      end

      def check_multipart
        size = @env['rack.multipart.buffer_size']
        unless size.nil? || (size.is_a?(Integer) && size > 0)
          fail_with 'rack.multipart.buffer_size must be an Integer > 0 if specified'
        end
        factory = @env['rack.multipart.tempfile_factory']
        return if factory.nil? || factory.respond_to?(:call)
        fail_with 'rack.multipart.tempfile_factory must respond to #call'
      end

      def check_names
        REQUIRED.each { |key| fail_with "env missing required key #{key}" unless @env.key?(key) }
        %w[CONTENT_TYPE CONTENT_LENGTH].each do |key|
          fail_with "env contains HTTP_#{key}, must use #{key}" if @env.key?("HTTP_#{key}")
        end
      end

      def check_server
        port = @env['SERVER_PORT']
        fail_with 'env[SERVER_PORT] is not an Integer' unless port.nil? || Lint.digits?(port.to_s)
        %w[SERVER_NAME HTTP_HOST].each do |key|
          name = @env[key]
          fail_with "#{name} must be a valid authority" unless name.nil? || Lint.authority?(name)
        end
        return if protocol?(@env['SERVER_PROTOCOL'])
        fail_with 'env[SERVER_PROTOCOL] does not match HTTP/\d(\.\d)?'
      end

      def protocol?(text)
        return false unless text.is_a?(String) && text.start_with?('HTTP/')
        version = text[5, text.length].split('.', -1)
        version.length.between?(1, 2) && version.all? { |part| part.length == 1 && Lint.digits?(part) }
      end

      def check_values
        @env.each do |key, value|
          fail_with "env key #{key.inspect} is not a String" unless key.is_a?(String)
          next if key.include?('.') || value.is_a?(String)
          fail_with "env variable #{key} has non-string value #{value.inspect}"
        end
        return if %w[http https].include?(@env['rack.url_scheme'])
        fail_with "rack.url_scheme unknown: #{@env['rack.url_scheme'].inspect}"
      end

      def check_streams
        input = @env['rack.input']
        if input
          INPUT.each do |name|
            fail_with "rack.input #{input.inspect} does not respond to ##{name}" unless input.respond_to?(name)
          end
          @env['rack.input'] = InputWrapper.new(input)
        end
        errors = @env['rack.errors']
        ERRORS.each do |name|
          fail_with "rack.error #{errors.inspect} does not respond to ##{name}" unless errors.respond_to?(name)
        end
        @env['rack.errors'] = ErrorWrapper.new(errors)
      end

      def check_method
        method = @env['REQUEST_METHOD']
        fail_with "REQUEST_METHOD unknown: #{method.inspect}" unless Lint.token?(method)
        length = @env['CONTENT_LENGTH']
        fail_with "Invalid CONTENT_LENGTH: #{length}" unless length.nil? || Lint.digits?(length)
      end

      def check_paths
        script = @env['SCRIPT_NAME']
        path = @env['PATH_INFO']
        unless script || path
          fail_with "One of SCRIPT_NAME or PATH_INFO must be set (make PATH_INFO '/' if SCRIPT_NAME is empty)"
        end
        fail_with "SCRIPT_NAME cannot be '/', make it '' and PATH_INFO '/'" if script == '/'
        fail_with 'SCRIPT_NAME must start with /' unless script.nil? || script.empty? || script.start_with?('/')
        check_target(path) unless path.nil? || path.empty? || path.start_with?('/')
      end

      # What isn't a path; a "#" in a path was percent-encoded in the request.
      def check_target(path)
        method = @env['REQUEST_METHOD']
        if path == '*'
          return if method == 'OPTIONS'
          fail_with "Only OPTIONS requests may have PATH_INFO set to '*' (asterisk-form)"
        elsif path.include?('://')
          return unless %w[CONNECT OPTIONS].include?(method)
          fail_with 'CONNECT and OPTIONS requests must not have PATH_INFO set to a URI (absolute-form)'
        elsif path.include?(':') && Lint.authority?(path)
          return if method == 'CONNECT'
          fail_with 'Only CONNECT requests may have PATH_INFO set to an authority (authority-form)'
        end
        fail_with "PATH_INFO must start with a '/' (origin-form)"
      end
    end

    # Asked before the application is called, and after it: it may have added some.
    def self.check_response_finished(env)
      callables = env['rack.response_finished']
      return if callables.nil?
      raise LintError, 'rack.response_finished must be an array of callable objects' unless callables.is_a?(Array)
      return if callables.all? { |callable| callable.respond_to?(:call) }
      raise LintError, 'rack.response_finished values must respond to call(env, status, headers, error)'
    end
  end
end
