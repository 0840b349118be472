# For the mrbgem.rake of a gem that wraps a library: links it, or says which package brings it.
module Cowherd
  INCLUDES = %w[/usr/include /usr/include/*-linux-gnu* /usr/local/include].freeze

  # `header` as it is included, `name` as pkg-config knows it, `package` as Debian does.
  def self.need_library(spec, library, header:, name:, package:)
    if INCLUDES.all? { |dir| Dir.glob("#{dir}/#{header}").empty? } && !system("pkg-config --exists #{name} 2>/dev/null")
      fail "#{spec.name} needs #{header}: install #{package}"
    end
    spec.linker.libraries << library
  end
end
