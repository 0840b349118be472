module Cowherd
  class Server
    # The request's headers, by their names in HTTP. They are the env's: what is changed here, applications see.
    class Headers_in < Part
      WITHOUT_PREFIX = ['CONTENT_TYPE', 'CONTENT_LENGTH'].freeze

      def [](name)
        env[__key(name)]
      end

      def []=(name, value)
        return delete(name) if value.nil?
        value = value.join(', ') if value.is_a?(Array)
        __store(__key(name), value)
      end

      def delete(name)
        env.delete(__key(name))
      end

      def all
        headers = {}
        env.each do |key, value|
          if key.start_with?('HTTP_')
            headers[__name(key[5, key.length])] = value
          elsif WITHOUT_PREFIX.include?(key)
            headers[__name(key)] = value
          end
        end
        headers
      end

      def user_agent
        self['User-Agent']
      end

      def referer
        self['Referer']
      end

      def __key(name)
        key = Cowherd::Server.__header_name(name).upcase.tr('-', '_')
        WITHOUT_PREFIX.include?(key) ? key : "HTTP_#{key}"
      end

      def __name(key)
        key.split('_').map { |word| word.capitalize }.join('-')
      end
    end
  end
end
