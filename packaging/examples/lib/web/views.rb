module Web
  # ERB templates as methods. views/entry.erb begins with the names of what it is given, <%# (entry, comments) -%>, and becomes
  # view_entry(entry, comments). `self` is the object that it is called on, and <%= %> escapes.
  module Views
    # Compiles all templates of a directory into methods of `owner`, and returns a digest of them.
    def self.define(owner, directory)
      digest = Digest::SHA256.new
      Dir.children(directory).sort.each do |file|
        next unless file.end_with?(".erb")

        text = File.read("#{directory}/#{file}")
        digest << text
        ERB.new(text, trim_mode: "-", escape: true, filename: "#{directory}/#{file}")
           .def_method(owner, "view_#{file.delete_suffix(".erb")}#{signature(text)}")
      end
      digest.hexdigest
    end

    def self.signature(text)
      found = /\A<%# (\([^)\n]*\)) -?%>/.match(text)
      found ? found[1] : "()"
    end
  end
end
