# Passwords as they are kept: by scrypt, in the form "$scrypt$ln=14,r=8,p=5$SALT$HASH".
module Password
  # 16 MiB and about a tenth of a second.
  ROUNDS = 14
  BLOCK = 8
  PARALLEL = 5
  # What a kept form may ask for: one from elsewhere must not take all memory or time.
  MEMORY_MAX = 256 << 20
  WORK_MAX = 1 << 23

  class << self
    def create(secret, rounds: ROUNDS, block: BLOCK, parallel: PARALLEL)
      check(rounds, block, parallel) or raise ArgumentError, 'these parameters take too much memory or time'
      salt = SecureRandom.random_bytes(16)
      hash = __scrypt(secret, salt, rounds, block, parallel, 32)
      "$scrypt$ln=#{rounds},r=#{block},p=#{parallel}$#{encode(salt)}$#{encode(hash)}"
    end

    # False for another password; ArgumentError for what create did not make.
    def verify(secret, kept)
      rounds, block, parallel, salt, hash = read(kept)
      OpenSSL.fixed_length_secure_compare(__scrypt(secret, salt, rounds, block, parallel, hash.bytesize), hash)
    end

    # Whether it was made with other parameters: verify, then create anew and keep that.
    def stale?(kept, rounds: ROUNDS, block: BLOCK, parallel: PARALLEL)
      read(kept)[0, 3] != [rounds, block, parallel]
    end

    private

    def encode(bytes)
      Base64.strict_encode64(bytes).delete('=')
    end

    def decode(text)
      Base64.strict_decode64(text + '=' * (-text.bytesize % 4))
    end

    def read(kept)
      empty, name, parameters, salt, hash, more = kept.split('$', -1)
      names = %w[ln r p]
      numbers = parameters.to_s.split(',', -1).map do |parameter|
        key, number = parameter.split('=', 2)
        key == names.shift && number == number.to_i.to_s ? number.to_i : 0
      end
      hash = decode(hash.to_s)
      valid = empty == '' && name == 'scrypt' && more.nil? && names.empty? && numbers.size == 3 && check(*numbers) &&
              hash.bytesize.between?(16, 64)
      raise ArgumentError unless valid

      [*numbers, decode(salt), hash]
    rescue ArgumentError
      raise ArgumentError, 'no password that Password.create has made'
    end

    def check(rounds, block, parallel)
      rounds.between?(1, 24) && block.between?(1, 64) && parallel.between?(1, 64) &&
        128 * block * (1 << rounds) <= MEMORY_MAX && block * parallel * (1 << rounds) <= WORK_MAX
    end
  end
end
