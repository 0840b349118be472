# How cowherd builds mruby. `make mruby` uses this file as mruby's build configuration.
#
# A build configuration of your own adds gems to it ('make MRUBY_CONFIG=my_config.rb'):
#
#   load File.join(ENV.fetch('COWHERD_GEMS'), 'build_config.rb')
#   MRuby::Build.new do |conf|
#     Cowherd.configure(conf)
#     conf.gem github: 'someone/mruby-something'
#   end
#
# A copy of this file whose lists are shortened is one, too.
module Cowherd
  GEMS = ENV.fetch('COWHERD_GEMS', __dir__)

  CORE_BOXES = %w[stdlib stdlib-ext stdlib-io math].freeze
  CORE_GEMS = %w[
    mruby-bin-config
    mruby-catch
    mruby-compiler
    mruby-error
    mruby-exit
    mruby-metaprog
    mruby-method
    mruby-set
    mruby-sleep
  ].freeze
  OWN_GEMS = %w[
    mruby-process-env
    mruby-stringio
    mruby-logger
    mruby-erb
    mruby-uri
    mruby-shared-store
    mruby-digest
    mruby-json
    mruby-maxminddb
    mruby-rack
    mruby-regexp
    mruby-require
    mruby-server-api
    mruby-sqlite3
    mruby-time-ext
  ].freeze

  # Floats keep all their bits. The worker reads sizes and layouts from mruby's headers: these reach it through
  # mruby-config.
  DEFINES = %w[
    MRB_UTF8_STRING
    MRB_WORDBOX_NO_FLOAT_TRUNCATE
    MRB_USE_DEBUG_HOOK
    MRB_ARY_LENGTH_MAX=0
  ].freeze

  # No LTO: it would resolve the calls that cowherd-mold wraps at link time before the linker sees them.
  CC_FLAGS = %W[
    -std=gnu99 -O2 -g -fno-omit-frame-pointer -fPIE -fstack-protector-strong
    -ffile-prefix-map=#{MRUBY_ROOT}=mruby -ffile-prefix-map=#{File.dirname(GEMS)}=cowherd
    -Wall -Wundef -Werror-implicit-function-declaration -Wwrite-strings
  ].freeze

  # Compiles the gems' Ruby with file and line, named as in their tree and not by where that tree lies on this machine.
  module ShortNames
    def run(out, infiles, funcname, cdump: true, static: false)
      infiles = [infiles].flatten
      gem_place = infiles.first[%r{\A(.+)/[^/]+/mrblib/}, 1]
      root = [MRUBY_ROOT, File.dirname(GEMS), gem_place].find do |dir|
        infiles.all? { |file| file.start_with?("#{dir}/") }
      end
      names = infiles.map { |file| file.delete_prefix("#{root}/") }
      names.each { |name| _pp 'MRBC', name, indent: 2 }
      options = ['-g', "-B#{funcname}", '-o-']
      options << '-S' if cdump
      options << '-s' if static
      out.puts IO.popen([@build.filename(@build.mrbcfile), *options, *names, { chdir: root || '/' }], &:read)
      return if $?.success?

      rm_f out.path
      fail "mrbc failed on #{names.join(' ')}"
    end
  end

  def self.configure(conf)
    # The versions of gems fetched by git are written down beside a configuration of one's own.
    MRuby::Lockfile.disable if File.identical?(MRUBY_CONFIG, __FILE__) || !File.writable?(File.dirname(MRUBY_CONFIG))
    conf.toolchain :gcc
    # COWHERD_MRUBY_CFLAGS: more flags, such as a distribution's for hardening.
    conf.cc.flags = CC_FLAGS + ENV['COWHERD_MRUBY_CFLAGS'].to_s.split
    conf.cc.defines += DEFINES
    conf.mrbc.extend ShortNames
    conf.enable_test

    sanitizers = ENV['COWHERD_SANITIZE'].to_s
    if sanitizers.empty?
      conf.gem core: 'mruby-bin-mrbc'
    else
      # The compiler comes from the ordinary build: one that checks its own leaks would fail here.
      conf.enable_sanitizer sanitizers
      conf.mrbcfile = ENV.fetch('COWHERD_MRBC')
    end

    CORE_BOXES.each { |box| conf.gembox box }
    CORE_GEMS.each { |gem| conf.gem core: gem }
    OWN_GEMS.each { |gem| conf.gem File.join(GEMS, gem) }
  end
end

if File.identical?(MRUBY_CONFIG, __FILE__)
  MRuby::Build.new { |conf| Cowherd.configure(conf) }
end
