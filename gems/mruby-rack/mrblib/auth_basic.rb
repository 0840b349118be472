module Rack
  module Auth
    # Lets those in for whose name and password the block is true; the others are asked for them.
    #
    #     use Rack::Auth::Basic, 'the diary' do |user, password|
    #       user == 'anna' && Password.verify(password, KEPT)
    #     end
    class Basic
      attr_accessor :realm

      def initialize(app, realm = nil, &authenticator)
        raise ArgumentError, 'Rack::Auth::Basic needs a block' unless authenticator
        @app = app
        @realm = realm
        @authenticator = authenticator
      end

      def call(env)
        scheme, given = env['HTTP_AUTHORIZATION'].to_s.split(' ', 2)
        return unauthorized unless scheme
        user, password = Base64.decode64(given.to_s).split(':', 2)
        return bad_request unless scheme.downcase == 'basic' && password
        return unauthorized unless @authenticator.call(user, password)
        env['REMOTE_USER'] = user
        @app.call(env)
      end

      private

      def unauthorized
        [401, { 'content-type' => 'text/plain', 'content-length' => '0',
                'www-authenticate' => "Basic realm=\"#{@realm}\"" }, []]
      end

      def bad_request
        [400, { 'content-type' => 'text/plain', 'content-length' => '0' }, []]
      end
    end
  end
end
