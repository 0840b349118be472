require_relative '../need_library'

MRuby::Gem::Specification.new('mruby-shared-store') do |spec|
  spec.license = 'MIT'
  spec.authors = 'the cowherd authors'
  spec.summary = 'values that processes share, on LMDB'
  spec.version = '0.1.0'
  spec.add_dependency 'mruby-enum-ext', core: 'mruby-enum-ext'
  spec.add_test_dependency 'mruby-io', core: 'mruby-io'
  spec.add_test_dependency 'mruby-metaprog', core: 'mruby-metaprog'
  spec.add_test_dependency 'mruby-string-ext', core: 'mruby-string-ext'
  # The static library: src/environment.c stands in front of its open(2) to give it descriptors for names.
  Cowherd.need_library(spec, ':liblmdb.a', header: 'lmdb.h', name: 'lmdb', package: 'liblmdb-dev')
  spec.linker.flags << '-Wl,--wrap=open'
end
