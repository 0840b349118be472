module Rack
  # Sets x-runtime (or x-runtime-NAME): the seconds that the application took until it returned its response.
  class Runtime
    FORMAT_STRING = '%0.6f'.freeze
    HEADER_NAME = 'x-runtime'.freeze

    def initialize(app, name = nil)
      @app = app
      @header_name = name ? "#{HEADER_NAME}-#{name.to_s.downcase}" : HEADER_NAME
    end

    def call(env)
      began_at = Utils.clock_time
      response = @app.call(env)
      headers = response[1]
      headers[@header_name] = FORMAT_STRING % (Utils.clock_time - began_at) unless headers.key?(@header_name)
      response
    end
  end
end
