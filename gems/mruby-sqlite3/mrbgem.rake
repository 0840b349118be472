require_relative '../need_library'

MRuby::Gem::Specification.new('mruby-sqlite3') do |spec|
  spec.license = 'MIT'
  spec.authors = 'the cowherd authors'
  spec.summary = 'SQLite3 as in CRuby, on libsqlite3'
  spec.version = '0.1.0'
  Cowherd.need_library(spec, 'sqlite3', header: 'sqlite3.h', name: 'sqlite3', package: 'libsqlite3-dev')
  spec.add_dependency 'mruby-array-ext', core: 'mruby-array-ext'
  spec.add_dependency 'mruby-hash-ext', core: 'mruby-hash-ext'
  spec.add_dependency 'mruby-string-ext', core: 'mruby-string-ext'
  spec.add_test_dependency 'mruby-bigint', core: 'mruby-bigint'
  spec.add_test_dependency 'mruby-catch', core: 'mruby-catch'
  spec.add_test_dependency 'mruby-enum-ext', core: 'mruby-enum-ext'
  spec.add_test_dependency 'mruby-error', core: 'mruby-error'
  spec.add_test_dependency 'mruby-errno', core: 'mruby-errno'
  spec.add_test_dependency 'mruby-io', core: 'mruby-io'
  spec.add_test_dependency 'mruby-metaprog', core: 'mruby-metaprog'
  spec.add_test_dependency 'mruby-random', core: 'mruby-random'
end
