require_relative '../need_library'

MRuby::Gem::Specification.new('mruby-digest') do |spec|
  spec.license = 'MIT'
  spec.authors = 'the cowherd authors'
  spec.summary = 'Digest, OpenSSL::HMAC, Base64, SecureRandom and Password, on libcrypto'
  spec.version = '0.1.0'
  Cowherd.need_library(spec, 'crypto', header: 'openssl/evp.h', name: 'libcrypto', package: 'libssl-dev')
  spec.add_dependency 'mruby-io', core: 'mruby-io'
  spec.add_dependency 'mruby-object-ext', core: 'mruby-object-ext'
  spec.add_dependency 'mruby-string-ext', core: 'mruby-string-ext'
  spec.add_test_dependency 'mruby-array-ext', core: 'mruby-array-ext'
  spec.add_test_dependency 'mruby-bigint', core: 'mruby-bigint'
  spec.add_test_dependency 'mruby-io', core: 'mruby-io'
  spec.add_test_dependency 'mruby-pack', core: 'mruby-pack'
end
