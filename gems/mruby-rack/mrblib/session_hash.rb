module Rack
  module Session
    module Abstract
      # What an application has as env['rack.session']: a Hash with Strings for keys that is loaded when it is first used.
      class SessionHash
        include Enumerable

        ID = 'session_id'.freeze

        # `store` answers `load_session(request)` with a Hash; `options` are those of this request.
        def initialize(store, request, options = {})
          @store = store
          @request = request
          @options = options
          @data = nil
        end

        def [](key)
          data[key.to_s]
        end

        def []=(key, value)
          data[key.to_s] = value
        end
        alias store []=

        def fetch(key, *default, &block)
          data.fetch(key.to_s, *default, &block)
        end

        def dig(key, *more)
          data.dig(key.to_s, *more)
        end

        def delete(key)
          data.delete(key.to_s)
        end

        def key?(key)
          data.key?(key.to_s)
        end
        alias has_key? key?
        alias include? key?

        def keys
          data.keys
        end

        def values
          data.values
        end

        def each(&block)
          data.each(&block)
          self
        end

        def empty?
          data.empty?
        end

        def to_hash
          data.dup
        end

        def update(other)
          other.to_hash.each { |key, value| self[key] = value }
          self
        end
        alias merge! update

        def replace(other)
          data.clear
          update(other)
        end

        def clear
          data.clear
          self
        end

        # Ends it: nothing is left, and the client is told to forget its cookie.
        def destroy
          clear
        end

        # Made when it is first asked for; it is kept in the session.
        def id
          data[ID] ||= SecureRandom.hex(16)
        end

        # Another id for the same session: for when somebody logs in.
        def renew
          data[ID] = SecureRandom.hex(16)
        end

        # Of this request: :expire_after, :secure and so on; :skip, :drop and :renew.
        def options
          env = @request.env
          env['rack.session'].equal?(self) ? env['rack.session.options'] : @options
        end

        def loaded?
          !@data.nil?
        end

        # Whether the client has sent one.
        def exists?
          @store.session_exists?(@request)
        end

        def inspect
          loaded? ? @data.inspect : '#<Rack::Session::Abstract::SessionHash not yet loaded>'
        end

        private

        def data
          @data ||= @store.load_session(@request)
        end
      end
    end
  end
end
