MRuby::Gem::Specification.new('mruby-erb') do |spec|
  spec.license = 'MIT'
  spec.authors = 'the cowherd authors'
  spec.summary = 'ERB templates, compiled once'
  spec.version = '0.1.0'
  spec.add_dependency 'mruby-compiler', core: 'mruby-compiler'
  spec.add_dependency 'mruby-hash-ext', core: 'mruby-hash-ext'
  spec.add_dependency 'mruby-metaprog', core: 'mruby-metaprog'
  spec.add_dependency 'mruby-object-ext', core: 'mruby-object-ext'
  spec.add_dependency 'mruby-string-ext', core: 'mruby-string-ext'
  spec.add_test_dependency 'mruby-error', core: 'mruby-error'
end
