require_relative '../need_library'

MRuby::Gem::Specification.new('mruby-regexp') do |spec|
  spec.license = 'MIT'
  spec.authors = 'the cowherd authors'
  spec.summary = 'Regexp, MatchData and the String methods that take one, on Oniguruma'
  spec.version = '0.1.0'
  Cowherd.need_library(spec, 'onig', header: 'oniguruma.h', name: 'oniguruma', package: 'libonig-dev')
  # src/last_match.c stands in front of these functions of mruby's: $~, $1 and the like.
  spec.linker.flags << '-Wl,--wrap=mrb_gv_get,--wrap=mrb_gv_set'
  # Their methods are there before ours replace them.
  spec.add_dependency 'mruby-string-ext', core: 'mruby-string-ext'
  spec.add_dependency 'mruby-array-ext', core: 'mruby-array-ext'
  spec.add_dependency 'mruby-enumerator', core: 'mruby-enumerator'
  spec.add_dependency 'mruby-error', core: 'mruby-error'
  spec.add_dependency 'mruby-symbol-ext', core: 'mruby-symbol-ext'
  spec.add_test_dependency 'mruby-fiber', core: 'mruby-fiber'
  spec.add_test_dependency 'mruby-object-ext', core: 'mruby-object-ext'
  spec.add_test_dependency 'mruby-sprintf', core: 'mruby-sprintf'
end
