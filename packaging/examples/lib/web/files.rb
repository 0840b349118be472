module Web
  # Files of an app's data directory, which nobody else may read.
  module Files
    def self.directory(path)
      Dir.mkdir(path, 0700) unless Dir.exist?(path)
      path
    end

    # What the file says; it is made of the block's value when it isn't there. An empty one is no secret.
    def self.kept(path)
      write_new(path, yield) unless File.exist?(path)
      text = File.read(path).strip
      raise "#{path} is empty: remove it, and it is made anew" if text.empty?

      text
    end

    def self.write_new(path, text)
      File.open(path, File::WRONLY | File::CREAT | File::EXCL, 0600) { |file| file.write("#{text}\n") }
    rescue Errno::EEXIST
      nil # another process was first
    end
  end
end
