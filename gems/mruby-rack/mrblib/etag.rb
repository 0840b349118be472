module Rack
  # Sets a weak ETag, made of the body, where all of it is there; and Cache-Control where there is none.
  class ETag
    DEFAULT_CACHE_CONTROL = 'max-age=0, private, must-revalidate'.freeze

    # The Cache-Control of answers without an ETag, and of those with one; nil: none.
    def initialize(app, no_cache_control = nil, cache_control = DEFAULT_CACHE_CONTROL)
      @app = app
      @no_cache_control = no_cache_control
      @cache_control = cache_control
    end

    def call(env)
      response = @app.call(env)
      status, headers, body = response
      if (status == 200 || status == 201) && body.respond_to?(:to_ary) && !headers.key?('etag') &&
         !headers.key?('last-modified')
        response[2] = body = body.to_ary
        digest = digest_of(body)
        headers['etag'] = "W/\"#{digest}\"" if digest
      end
      control = digest ? @cache_control : @no_cache_control
      headers['cache-control'] ||= control if control
      response
    end

    private

    # nil: an empty body has none.
    def digest_of(body)
      digest = nil
      body.each do |part|
        next if part.empty?
        digest ||= Digest::SHA256.new
        digest << part
      end
      digest && digest.hexdigest[0, 32]
    end
  end
end
