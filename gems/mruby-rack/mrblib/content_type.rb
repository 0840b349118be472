module Rack
  # Sets content-type where the application has set none.
  class ContentType
    def initialize(app, content_type = 'text/html')
      @app = app
      @content_type = content_type
    end

    def call(env)
      response = @app.call(env)
      status, headers, = response
      headers['content-type'] ||= @content_type unless Utils::STATUS_WITH_NO_ENTITY_BODY.key?(status)
      response
    end
  end
end
