MRuby::Gem::Specification.new('mruby-require') do |spec|
  spec.license = 'MIT'
  spec.authors = 'the cowherd authors'
  spec.summary = 'require, require_relative, load and __dir__ for mruby'
  spec.version = '0.1.0'
  spec.add_dependency 'mruby-compiler', core: 'mruby-compiler'
  spec.add_test_dependency 'mruby-error', core: 'mruby-error'
  spec.add_test_dependency 'mruby-exit', core: 'mruby-exit'
  spec.add_test_dependency 'mruby-fiber', core: 'mruby-fiber'
  spec.add_test_dependency 'mruby-io', core: 'mruby-io'
  spec.add_test_dependency 'mruby-kernel-ext', core: 'mruby-kernel-ext'
  spec.add_test_dependency 'mruby-metaprog', core: 'mruby-metaprog'
  spec.add_test_dependency 'mruby-objectspace', core: 'mruby-objectspace'
  spec.add_test_dependency 'mruby-string-ext', core: 'mruby-string-ext'
  # src/require_backtrace.c stands in front of this function of mruby's.
  spec.linker.flags << '-Wl,--wrap=mrb_keep_backtrace'
end
