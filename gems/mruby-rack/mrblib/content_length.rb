module Rack
  # Sets content-length where all of the body is there; what is streamed, or is a file, passes as it is.
  class ContentLength
    def initialize(app)
      @app = app
    end

    def call(env)
      response = @app.call(env)
      status, headers, body = response
      if !Utils::STATUS_WITH_NO_ENTITY_BODY.key?(status) && !headers['content-length'] &&
         !headers['transfer-encoding'] && body.respond_to?(:to_ary)
        response[2] = body = body.to_ary
        headers['content-length'] = body.sum { |part| part.bytesize }.to_s
      end
      response
    end
  end
end
