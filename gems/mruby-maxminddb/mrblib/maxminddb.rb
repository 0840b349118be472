module MaxMindDB
  # Mapped either way: they are there for programs that name them.
  DEFAULT_FILE_READER = nil
  LOW_MEMORY_FILE_READER = nil

  def self.new(path, _file_reader = nil)
    Client.new(path)
  end

  class Client
    LOCAL = %w[127.0.0.1 localhost ::1 0000::1 0:0:0:0:0:0:0:1].freeze

    # The address that is looked up in place of this machine's own.
    attr_accessor :local_ip_alias

    def initialize(path)
      @path = path
      open(path)
    end

    def lookup(address)
      address = @local_ip_alias if @local_ip_alias && LOCAL.include?(address)
      Result.new(find(address))
    end

    def inspect
      "#<MaxMindDB::Client: DBPath:'#{@path}'>"
    end

    private :open, :find
  end
end
