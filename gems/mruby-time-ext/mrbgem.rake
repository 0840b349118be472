MRuby::Gem::Specification.new('mruby-time-ext') do |spec|
  spec.license = 'MIT'
  spec.authors = 'the cowherd authors'
  spec.summary = 'Time#strftime, and times as the web writes them'
  spec.version = '0.1.0'
  spec.add_dependency 'mruby-time', core: 'mruby-time'
  spec.add_test_dependency 'mruby-string-ext', core: 'mruby-string-ext'
end
