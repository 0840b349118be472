MRuby::Gem::Specification.new('mruby-rack') do |spec|
  spec.license = 'MIT'
  spec.authors = 'the cowherd authors'
  spec.summary = 'Rack for mruby: builder, requests, responses, middleware'
  spec.version = '0.1.0'
  # What the others share comes first.
  spec.test_rbfiles = spec.test_rbfiles.sort_by { |file| [File.basename(file) == 'helper.rb' ? 0 : 1, file] }
  spec.add_dependency 'mruby-array-ext', core: 'mruby-array-ext'
  spec.add_dependency 'mruby-enum-ext', core: 'mruby-enum-ext'
  spec.add_dependency 'mruby-errno', core: 'mruby-errno'
  spec.add_dependency 'mruby-hash-ext', core: 'mruby-hash-ext'
  spec.add_dependency 'mruby-io', core: 'mruby-io'
  spec.add_dependency 'mruby-proc-ext', core: 'mruby-proc-ext'
  spec.add_dependency 'mruby-range-ext', core: 'mruby-range-ext'
  spec.add_dependency 'mruby-sprintf', core: 'mruby-sprintf'
  spec.add_dependency 'mruby-string-ext', core: 'mruby-string-ext'
  spec.add_dependency 'mruby-struct', core: 'mruby-struct'
  spec.add_dependency 'mruby-symbol-ext', core: 'mruby-symbol-ext'
  spec.add_dependency 'mruby-digest', path: "#{__dir__}/../mruby-digest"
  spec.add_dependency 'mruby-erb', path: "#{__dir__}/../mruby-erb"
  spec.add_dependency 'mruby-json', path: "#{__dir__}/../mruby-json"
  spec.add_dependency 'mruby-process-env', path: "#{__dir__}/../mruby-process-env"
  spec.add_dependency 'mruby-stringio', path: "#{__dir__}/../mruby-stringio"
  spec.add_dependency 'mruby-time-ext', path: "#{__dir__}/../mruby-time-ext"
  spec.add_dependency 'mruby-uri', path: "#{__dir__}/../mruby-uri"
  spec.add_test_dependency 'mruby-error', core: 'mruby-error'
end
