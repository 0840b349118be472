require_relative '../need_library'

MRuby::Gem::Specification.new('mruby-json') do |spec|
  spec.license = 'MIT'
  spec.authors = 'the cowherd authors'
  spec.summary = 'JSON as in CRuby, parsed by jansson'
  spec.version = '0.1.0'
  Cowherd.need_library(spec, 'jansson', header: 'jansson.h', name: 'jansson', package: 'libjansson-dev')
  spec.add_dependency 'mruby-io', core: 'mruby-io'
  spec.add_dependency 'mruby-hash-ext', core: 'mruby-hash-ext'
  spec.add_dependency 'mruby-string-ext', core: 'mruby-string-ext'
  spec.add_test_dependency 'mruby-enum-ext', core: 'mruby-enum-ext'
  spec.add_test_dependency 'mruby-array-ext', core: 'mruby-array-ext'
  spec.add_test_dependency 'mruby-bigint', core: 'mruby-bigint'
  spec.add_test_dependency 'mruby-struct', core: 'mruby-struct'
end
