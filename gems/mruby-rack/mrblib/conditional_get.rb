module Rack
  # Answers GET and HEAD with 304 where the client has what would be sent: its If-None-Match has the response's ETag, or
  # nothing was modified since its If-Modified-Since.
  class ConditionalGet
    def initialize(app)
      @app = app
    end

    def call(env)
      response = @app.call(env)
      method = env['REQUEST_METHOD']
      return response unless method == 'GET' || method == 'HEAD'
      status, headers, body = response
      if status == 200 && ConditionalGet.fresh?(env, headers)
        response[0] = 304
        response[2] = []
        headers.delete('content-type')
        headers.delete('content-length')
        body.close if body.respond_to?(:close)
      end
      response
    end

    # Whether the client has what these headers are sent with. Its entity tags come before its date (RFC 9110, 13.2.2).
    def self.fresh?(env, headers)
      tags = env['HTTP_IF_NONE_MATCH']
      return tag_matches?(tags, headers['etag']) if tags
      since = time_of(env['HTTP_IF_MODIFIED_SINCE'])
      modified = since && time_of(headers['last-modified'])
      modified ? modified <= since : false
    end

    # A weak tag and a strong one match: a front end that compresses makes the one of the other.
    def self.tag_matches?(tags, etag)
      return false unless etag
      return true if tags == etag || tags.strip == '*'
      wanted = opaque(etag)
      tags.split(',').any? { |tag| opaque(tag) == wanted }
    end

    def self.opaque(tag)
      tag = tag.strip
      tag.start_with?('W/') ? tag[2, tag.size] : tag
    end

    # nil: none, or not as HTTP writes it.
    def self.time_of(text)
      text && Time.httpdate(text)
    rescue ArgumentError
      nil
    end
  end
end
