MRuby::Gem::Specification.new('mruby-server-api') do |spec|
  spec.license = 'MIT'
  spec.authors = 'the cowherd authors'
  spec.summary = 'the vocabulary of mod_mruby and ngx_mruby over a Rack env'
  spec.version = '0.1.0'
  spec.add_dependency 'mruby-array-ext', core: 'mruby-array-ext'
  spec.add_dependency 'mruby-hash-ext', core: 'mruby-hash-ext'
  spec.add_dependency 'mruby-string-ext', core: 'mruby-string-ext'
  spec.add_dependency 'mruby-time', core: 'mruby-time'
  spec.add_test_dependency 'mruby-error', core: 'mruby-error'
  spec.add_test_dependency 'mruby-metaprog', core: 'mruby-metaprog'
end
