module Rack
  # Lets forms, which only know GET and POST, ask by another method: a POST with the parameter _method, or the header
  # X-HTTP-Method-Override.
  class MethodOverride
    HTTP_METHODS = %w[GET HEAD PUT POST DELETE OPTIONS PATCH LINK UNLINK].freeze
    METHOD_OVERRIDE_PARAM_KEY = '_method'.freeze
    HTTP_METHOD_OVERRIDE_HEADER = 'HTTP_X_HTTP_METHOD_OVERRIDE'.freeze

    def initialize(app)
      @app = app
    end

    def call(env)
      if env['REQUEST_METHOD'] == 'POST'
        method = method_override(env)
        if HTTP_METHODS.include?(method)
          env['rack.methodoverride.original_method'] = env['REQUEST_METHOD']
          env['REQUEST_METHOD'] = method
        end
      end
      @app.call(env)
    end

    def method_override(env)
      (form_method(env) || env[HTTP_METHOD_OVERRIDE_HEADER]).to_s.upcase
    end

    private

    def form_method(env)
      request = Request.new(env)
      method = request.POST[METHOD_OVERRIDE_PARAM_KEY] if request.form_data? || request.parseable_data?
      method if method.is_a?(String)
    rescue BadRequest => error
      env['rack.errors'].puts("Invalid or incomplete POST params: #{error.message}")
      nil
    end
  end
end
