MRuby::Gem::Specification.new('mruby-logger') do |spec|
  spec.license = 'MIT'
  spec.authors = 'the cowherd authors'
  spec.summary = 'Logger'
  spec.version = '0.1.0'
  spec.add_dependency 'mruby-io', core: 'mruby-io'
  spec.add_dependency 'mruby-sprintf', core: 'mruby-sprintf'
  spec.add_dependency 'mruby-string-ext', core: 'mruby-string-ext'
  spec.add_dependency 'mruby-symbol-ext', core: 'mruby-symbol-ext'
  spec.add_dependency 'mruby-time', core: 'mruby-time'
  spec.add_dependency 'mruby-process-env'
  spec.add_test_dependency 'mruby-stringio'
  spec.add_test_dependency 'mruby-error', core: 'mruby-error'
end
