module Rack
  module Session
    # Keeps a session in the client's cookie, signed: who has it can read it, but not change it.
    #
    #     use Rack::Session::Cookie, secret: ENV.fetch('SESSION_SECRET'), expire_after: 14 * 86_400, same_site: :lax
    #
    # The cookie is DATA.EXPIRES.SIGNATURE: what the coder makes of the session in Base64, the second after which it counts
    # no more (0: none), and the HMAC-SHA256 of its name and both.
    class Cookie
      LIMIT = 4096 # bytes of name and value that a browser takes
      SECRET_MIN = 32
      INSIDE = 'cowherd.session.inside'
      DEFAULT_OPTIONS = { path: '/', domain: nil, expire_after: nil, secure: false, httponly: true,
                          same_site: nil }.freeze
      OTHER_OPTIONS = %i[key secret old_secret secrets coder].freeze

      # A session that is too large for a cookie.
      class Overflow < StandardError; end

      # The coder that is used unless there is another one: anything with `encode(hash)`, a String, and `decode(string)`.
      module Json
        def self.encode(session)
          ::JSON.generate(session)
        end

        def self.decode(text)
          ::JSON.parse(text)
        end
      end

      attr_reader :key, :default_options

      def initialize(app, options = {})
        unknown = options.keys - OTHER_OPTIONS - DEFAULT_OPTIONS.keys
        raise ArgumentError, "unknown option of Rack::Session::Cookie: #{unknown.join(', ')}" unless unknown.empty?
        @app = app
        @key = options[:key] || 'rack.session'
        @coder = options[:coder] || Json
        @secrets = secrets_of(options)
        @opened = "rack.session.unpacked_cookie_data.#{object_id}".freeze
        @default_options = DEFAULT_OPTIONS.merge(options.reject { |name, _| OTHER_OPTIONS.include?(name) }).freeze
      end

      def call(env)
        outer = env.values_at('rack.session', 'rack.session.options', INSIDE)
        options = @default_options.dup
        session = Abstract::SessionHash.new(self, Request.new(env), options)
        env['rack.session'] = session
        env['rack.session.options'] = options
        env[INSIDE] = true
        env.delete(@opened)
        respond(env, session)
      ensure
        # What stands between two of them has the outer one's session, before and after. (One beside it has left its own.)
        env['rack.session'], env['rack.session.options'] = outer if outer && outer[2]
        env[INSIDE] = outer && outer[2]
      end

      # What the client's cookie holds; empty unless it was signed here, and not too long ago.
      def load_session(request)
        text, = open_cookie(request)
        session = text && @coder.decode(text)
        session.is_a?(Hash) ? session : {}
      rescue StandardError # of a coder that does not know what it once wrote
        {}
      end

      def session_exists?(request)
        !open_cookie(request).nil?
      end

      private

      def respond(env, session)
        response = @app.call(env)
        begin
          commit(Request.new(env), session, response)
        rescue Exception => error
          body = response[2]
          body.close if body.respond_to?(:close)
          raise error
        end
        response
      end

      def secrets_of(options)
        secrets = [options[:secret], *options[:secrets], options[:old_secret]].compact
        raise ArgumentError, 'Rack::Session::Cookie needs a secret' if secrets.empty?
        secrets.each do |secret|
          next if secret.is_a?(String) && secret.bytesize >= SECRET_MIN
          raise ArgumentError, "a secret of Rack::Session::Cookie must be a String of at least #{SECRET_MIN} bytes"
        end
      end

      # [what was encoded, when it expires], or nil; looked at once in a request.
      def open_cookie(request)
        env = request.env
        return env[@opened] if env.key?(@opened)
        data, expires, signature = request.cookies[@key].to_s.split('.', 3)
        return env[@opened] = nil unless signature && signed?(data, expires, signature)
        expires = expires.to_i
        env[@opened] = expires == 0 || expires > Time.now.to_i ? [Base64.urlsafe_decode64(data), expires] : nil
      end

      def signed?(data, expires, signature)
        @secrets.any? { |secret| Utils.secure_compare(sign(secret, data, expires), signature) }
      end

      def sign(secret, data, expires)
        digest = OpenSSL::HMAC.digest('SHA256', secret, "#{@key}\0#{data}.#{expires}")
        Base64.urlsafe_encode64(digest, padding: false)
      end

      # Says to the client what has become of the session.
      def commit(request, session, response)
        options = session.options
        return if options[:skip] || (options[:secure] && !request.ssl?)
        return unless session.loaded? || options[:expire_after] || options[:renew] || options[:drop]
        return unless session.loaded? || session.exists?
        session.renew if options[:renew] && !session.empty?
        kept = session.to_hash.reject { |_, value| value.nil? }
        if options[:drop] || kept.empty?
          forget(request, response, options)
        else
          keep(request, response, options, @coder.encode(kept))
        end
      end

      def forget(request, response, options)
        return unless request.cookies.key?(@key)
        put(request, response, options, value: '', max_age: 0, expires: Time.at(0))
      end

      # Nothing is sent while the client has the same, unless a tenth of the time until it expires has passed.
      def keep(request, response, options, text)
        seconds = options[:expire_after]
        now = Time.now.to_i
        known, expires = open_cookie(request)
        return if known == text && (seconds ? expires - now > seconds * 9 / 10 : expires == 0)
        data = Base64.urlsafe_encode64(text, padding: false)
        until_when = seconds ? now + seconds.to_i : 0
        value = "#{data}.#{until_when}.#{sign(@secrets.first, data, until_when)}"
        check_size(value)
        lasting = seconds ? { max_age: seconds.to_i, expires: Time.at(until_when) } : {}
        put(request, response, options, value: value, **lasting)
      end

      def check_size(value)
        size = @key.bytesize + value.bytesize
        return if size <= LIMIT
        raise Overflow, "the session is too large: its cookie #{@key} would have #{size} bytes, #{LIMIT} at most; " \
                        'keep what it is about elsewhere, and its key in the session'
      end

      def put(request, response, options, cookie)
        same_site = options[:same_site]
        same_site = same_site.call(request, response) if same_site.respond_to?(:call)
        cookie = { path: options[:path], domain: options[:domain], secure: options[:secure],
                   httponly: options[:httponly], same_site: same_site }.merge(cookie)
        Utils.set_cookie_header!(response[1], @key, cookie)
      end
    end
  end
end
