module Cowherd
  class Server
    # Values that the hooks of a request tell each other.
    class Notes < Part
      def [](name)
        env
        Cowherd::Server.__notes[name.to_s]
      end

      def []=(name, value)
        env
        Cowherd::Server.__notes[name.to_s] = value
      end
    end
  end
end
