require_relative '../need_library'

MRuby::Gem::Specification.new('mruby-maxminddb') do |spec|
  spec.license = 'MIT'
  spec.authors = 'the cowherd authors'
  spec.summary = 'MaxMindDB as in CRuby, on libmaxminddb'
  spec.version = '0.1.0'
  Cowherd.need_library(spec, 'maxminddb', header: 'maxminddb.h', name: 'libmaxminddb', package: 'libmaxminddb-dev')
  spec.add_test_dependency 'mruby-array-ext', core: 'mruby-array-ext'
  spec.add_test_dependency 'mruby-bigint', core: 'mruby-bigint'
  spec.add_test_dependency 'mruby-enum-ext', core: 'mruby-enum-ext'
  spec.add_test_dependency 'mruby-errno', core: 'mruby-errno'
  spec.add_test_dependency 'mruby-hash-ext', core: 'mruby-hash-ext'
  spec.add_test_dependency 'mruby-io', core: 'mruby-io'
  spec.add_test_dependency 'mruby-pack', core: 'mruby-pack'
  spec.add_test_dependency 'mruby-random', core: 'mruby-random'
  spec.add_test_dependency 'mruby-string-ext', core: 'mruby-string-ext'
end
