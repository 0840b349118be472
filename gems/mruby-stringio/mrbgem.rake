MRuby::Gem::Specification.new('mruby-stringio') do |spec|
  spec.license = 'MIT'
  spec.authors = 'the cowherd authors'
  spec.summary = 'StringIO'
  spec.version = '0.1.0'
  spec.add_dependency 'mruby-enumerator', core: 'mruby-enumerator'
  spec.add_dependency 'mruby-errno', core: 'mruby-errno'
  spec.add_dependency 'mruby-io', core: 'mruby-io'
  spec.add_dependency 'mruby-sprintf', core: 'mruby-sprintf'
  spec.add_dependency 'mruby-string-ext', core: 'mruby-string-ext'
  spec.add_test_dependency 'mruby-enum-ext', core: 'mruby-enum-ext'
  spec.add_test_dependency 'mruby-error', core: 'mruby-error'
end
