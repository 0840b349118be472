# The class that scripts call Server, Nginx or Apache; in here it is Cowherd::Server, because Server is the class
# within. What it says of an answer is in C, here is the rest.
module Cowherd
  class Server
    VERSION = '0.1.0'
    TRUE = '1'
    FALSE = '0'

    PRIORITIES = {
      'emerg' => LOG_EMERG, 'panic' => LOG_EMERG, 'alert' => LOG_ALERT, 'crit' => LOG_CRIT, 'err' => LOG_ERR,
      'error' => LOG_ERR, 'warn' => LOG_WARN, 'warning' => LOG_WARN, 'notice' => LOG_NOTICE, 'info' => LOG_INFO,
      'debug' => LOG_DEBUG
    }.freeze

    class << self
      # With the name of a priority, as syslog has them.
      def syslogger(priority, text)
        level = PRIORITIES[priority] or raise ArgumentError, "#{priority.inspect} is no priority"
        log(level, text)
      end

      def var
        Var.new
      end

      def module_name
        'cowherd'
      end

      def module_version
        VERSION
      end

      def mod_mruby_version
        VERSION
      end

      def mruby_version
        MRUBY_VERSION
      end

      # The front end's name and version, as it says them.
      def server_version
        __env(__serial)['SERVER_SOFTWARE']
      end

      def nginx_version
        name, version = server_version.to_s.split('/', 2)
        name == 'nginx' ? version : nil
      end

      def document_root
        Request.new.document_root
      end

      def filename
        Request.new.filename
      end

      def __front_end
        software = __serving? ? server_version.to_s : ''
        software.start_with?('Apache') ? 'Apache' : 'NGINX'
      end

      def sleep(seconds)
        Kernel.sleep(seconds)
        self
      end
    end

    # A class of its own in both models, for what the server knows of its files.
    class Server
      def document_root
        Request.new.document_root
      end

      def realpath_root
        document_root
      end

      def path
        document_root
      end
    end
  end
end

Apache = Cowherd::Server
Nginx = Cowherd::Server

module Kernel
  def get_server_class
    Cowherd::Server
  end

  # Which of the two a script has before it: by this name scripts choose a class.
  def server_name
    Cowherd::Server.__front_end
  end
end
