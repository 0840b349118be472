#include "string_hash.h"

#include <endian.h>
#include <string.h>
#include <sys/random.h>

#include <mruby/string.h>

#include "log.h"

/* mruby's own, of string.c, which only an internal header declares. */
uint32_t __wrap_mrb_str_hash(mrb_state *mrb, mrb_value string);

/* Made before anything is hashed, and never again: frozen Hashes are looked up by it in all workers. */
static uint64_t process_key[2];

__attribute__((constructor)) static void make_key(void)
{
    if (getrandom(process_key, sizeof process_key, 0) != (ssize_t)sizeof process_key)
        fatal("getrandom");
}

struct sip {
    uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t word, int bits)
{
    return word << bits | word >> (64 - bits);
}

static inline void mix(struct sip *sip)
{
    sip->v0 += sip->v1;
    sip->v1 = rotate(sip->v1, 13) ^ sip->v0;
    sip->v0 = rotate(sip->v0, 32);
    sip->v2 += sip->v3;
    sip->v3 = rotate(sip->v3, 16) ^ sip->v2;
    sip->v0 += sip->v3;
    sip->v3 = rotate(sip->v3, 21) ^ sip->v0;
    sip->v2 += sip->v1;
    sip->v1 = rotate(sip->v1, 17) ^ sip->v2;
    sip->v2 = rotate(sip->v2, 32);
}

static inline void take(struct sip *sip, uint64_t word)
{
    sip->v3 ^= word;
    mix(sip);
    sip->v0 ^= word;
}

/* Up to eight bytes, the first one lowest. */
static inline uint64_t word_of(const void *bytes, size_t length)
{
    uint64_t word = 0;

    memcpy(&word, bytes, length);
    return le64toh(word);
}

uint64_t string_hash_sip(const uint64_t key[2], const void *bytes, size_t length)
{
    const unsigned char *at = bytes;
    struct sip sip = { key[0] ^ 0x736f6d6570736575, key[1] ^ 0x646f72616e646f6d, key[0] ^ 0x6c7967656e657261,
                       key[1] ^ 0x7465646279746573 };
    size_t left = length;

    for (; left >= 8; at += 8, left -= 8)
        take(&sip, word_of(at, 8));
    take(&sip, word_of(at, left) | (uint64_t)length << 56);
    sip.v2 ^= 0xff;
    for (int i = 0; i < 3; i++)
        mix(&sip);
    return sip.v0 ^ sip.v1 ^ sip.v2 ^ sip.v3;
}

uint32_t __wrap_mrb_str_hash(mrb_state *mrb, mrb_value string)
{
    (void)mrb;
    uint64_t hash = string_hash_sip(process_key, RSTRING_PTR(string), (size_t)RSTRING_LEN(string));
    return (uint32_t)(hash ^ hash >> 32);
}

static mrb_value hash_of(mrb_state *mrb, mrb_value self)
{
    return mrb_int_value(mrb, __wrap_mrb_str_hash(mrb, self));
}

void string_hash_define(mrb_state *mrb)
{
    mrb_define_method(mrb, mrb->string_class, "hash", hash_of, MRB_ARGS_NONE());
}
