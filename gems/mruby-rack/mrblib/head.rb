module Rack
  # Answers HEAD as GET is answered, without the body.
  class Head
    def initialize(app)
      @app = app
    end

    def call(env)
      response = @app.call(env)
      if env['REQUEST_METHOD'] == 'HEAD'
        body = response[2]
        response[2] = []
        body.close if body.respond_to?(:close)
      end
      response
    end
  end
end
