module Cowherd
  class Server
    class Connection < Part
      def remote_ip
        env['REMOTE_ADDR']
      end

      alias remote_addr remote_ip

      def remote_port
        env['REMOTE_PORT']
      end

      def remote_host
        env['REMOTE_HOST']
      end

      def remote_logname
        env['REMOTE_IDENT']
      end

      def local_ip
        env['SERVER_ADDR']
      end

      alias local_addr local_ip

      def local_port
        env['SERVER_PORT']
      end

      def local_host
        env['SERVER_NAME']
      end

      def var
        env
        Var.new
      end
    end
  end
end
