MRuby::Gem::Specification.new('mruby-server-api') do |spec|
  spec.license = 'MIT'
  spec.authors = 'the cowherd authors'
  spec.summary = 'the vocabulary of mod_mruby and ngx_mruby over a Rack env'
  spec.version = '0.1.0'
  # What the others are made from comes first.
  spec.rbfiles = spec.rbfiles.sort_by { |file| [File.basename(file) == 'part.rb' ? 0 : 1, file] }
  spec.test_rbfiles = spec.test_rbfiles.sort_by { |file| [File.basename(file) == 'helper.rb' ? 0 : 1, file] }
  spec.add_dependency 'mruby-array-ext', core: 'mruby-array-ext'
  spec.add_dependency 'mruby-hash-ext', core: 'mruby-hash-ext'
  spec.add_dependency 'mruby-sleep', core: 'mruby-sleep'
  spec.add_dependency 'mruby-string-ext', core: 'mruby-string-ext'
  spec.add_dependency 'mruby-time', core: 'mruby-time'
  spec.add_test_dependency 'mruby-error', core: 'mruby-error'
  spec.add_test_dependency 'mruby-fiber', core: 'mruby-fiber'
  spec.add_test_dependency 'mruby-metaprog', core: 'mruby-metaprog'
end
