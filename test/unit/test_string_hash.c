/* Names that were made to come to one number under mruby's own hash function: a Hash of them is as quick as of others.
 */
#include "string_hash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mruby/array.h>
#include <mruby/hash.h>
#include <mruby/internal.h>
#include <mruby/string.h>

#include "vm.h"

#define BLOCKS 12        /* of which each name has one of two: 4,096 names */
#define BLOCK_LENGTH 8   /* letters */
#define SLOTS (1u << 20) /* for what was tried, by what it comes to */
#define NAMES (1 << BLOCKS)
#define NAME_LENGTH (BLOCKS * BLOCK_LENGTH)

static struct vm *vm;
static size_t comparisons;

/* mruby's own. */
mrb_bool __real_mrb_str_equal(mrb_state *mrb, mrb_value a, mrb_value b);
mrb_bool __wrap_mrb_str_equal(mrb_state *mrb, mrb_value a, mrb_value b);

mrb_bool __wrap_mrb_str_equal(mrb_state *mrb, mrb_value a, mrb_value b)
{
    comparisons++;
    return __real_mrb_str_equal(mrb, a, b);
}

static void spell(char *block, uint32_t number)
{
    uint64_t scattered = (number + 1) * UINT64_C(0x9e3779b97f4a7c15);

    for (int i = 0; i < BLOCK_LENGTH; i++, scattered /= 26)
        block[i] = (char)('a' + scattered % 26);
}

/* Two blocks that take mruby's function from `state` to the same one, which is returned. */
static uint32_t find_pair(uint32_t state, char pair[2][BLOCK_LENGTH])
{
    static struct {
        uint32_t reached, number;
    } slots[SLOTS];

    memset(slots, 0xff, sizeof slots);
    for (uint32_t number = 0;; number++) {
        spell(pair[1], number);
        uint32_t reached = mrb_byte_hash_step((const uint8_t *)pair[1], BLOCK_LENGTH, state);
        uint32_t slot = reached % SLOTS;
        if (slots[slot].number != UINT32_MAX && slots[slot].reached == reached) {
            spell(pair[0], slots[slot].number);
            return reached;
        }
        slots[slot].reached = reached;
        slots[slot].number = number;
    }
}

/* All of one hash, as mruby reckons it. */
static mrb_value hostile_names(mrb_state *mrb)
{
    static char blocks[BLOCKS][2][BLOCK_LENGTH];
    char name[NAME_LENGTH];
    uint32_t state = mrb_byte_hash(NULL, 0);
    mrb_value names = mrb_ary_new_capa(mrb, NAMES);

    for (int i = 0; i < BLOCKS; i++)
        state = find_pair(state, blocks[i]);
    for (int number = 0; number < NAMES; number++) {
        for (int i = 0; i < BLOCKS; i++)
            memcpy(name + (ptrdiff_t)i * BLOCK_LENGTH, blocks[i][number >> i & 1], BLOCK_LENGTH);
        assert_int_equal(mrb_byte_hash((const uint8_t *)name, NAME_LENGTH), state);
        mrb_ary_push(mrb, names, mrb_str_new(mrb, name, NAME_LENGTH));
    }
    return names;
}

static int set_up(void **state)
{
    (void)state;
    vm = vm_open("test");
    return vm == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    vm_close(vm);
    return 0;
}

static void test_sip_hash(void **state)
{
    (void)state;
    static const uint64_t key[2] = { 0, 0 };
    static const struct {
        size_t length;
        uint64_t hash;
    } known[] = {
        { 0, 0xd1fba762150c532c }, { 1, 0x68a914128e01e473 },  { 7, 0x2f098ab0c751325a },  { 8, 0xead411e67ebe2eea },
        { 9, 0x75927f9d95124362 }, { 15, 0xf30eb725bb91c9ea }, { 16, 0x8972188433a5c5b7 }, { 63, 0x385d3e39e5f37359 },
    };
    unsigned char bytes[64];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_int_equal(string_hash_sip(key, bytes, known[i].length), known[i].hash);
    assert_int_not_equal(string_hash_sip((const uint64_t[]){ 0, 1 }, bytes, 8), known[3].hash);
}

static mrb_value fill(mrb_state *mrb, void *data)
{
    mrb_value names = hostile_names(mrb), hash = mrb_hash_new(mrb);

    (void)data;
    comparisons = 0;
    for (mrb_int i = 0; i < RARRAY_LEN(names); i++)
        mrb_hash_set(mrb, hash, RARRAY_PTR(names)[i], mrb_fixnum_value(i));
    for (mrb_int i = 0; i < RARRAY_LEN(names); i++)
        assert_int_equal(mrb_fixnum(mrb_hash_get(mrb, hash, RARRAY_PTR(names)[i])), i);
    return names;
}

static void test_hostile_names_take_no_more_comparisons_than_others(void **state)
{
    (void)state;
    mrb_value names;
    assert_true(vm_call(vm, fill, NULL, &names));
    /* Some for each, with growing and looking up; mruby's function has it at 8 million. */
    assert_in_range(comparisons, NAMES, 16 * NAMES);
}

static mrb_value hash_of_names(mrb_state *mrb, void *data)
{
    mrb_value names = hostile_names(mrb), seen = mrb_hash_new(mrb);

    (void)data;
    for (mrb_int i = 0; i < RARRAY_LEN(names); i++) {
        mrb_value name = RARRAY_PTR(names)[i];
        mrb_value hash = mrb_funcall(mrb, name, "hash", 0);
        assert_true(mrb_equal(mrb, hash, mrb_funcall(mrb, mrb_str_dup(mrb, name), "hash", 0)));
        mrb_hash_set(mrb, seen, hash, name);
    }
    return mrb_int_value(mrb, mrb_hash_size(mrb, seen));
}

static void test_string_hash_tells_them_apart_too(void **state)
{
    (void)state;
    mrb_value different;
    assert_true(vm_call(vm, hash_of_names, NULL, &different));
    /* Of 4,096 numbers of 32 bits two are equal once in 500 times. */
    assert_in_range(mrb_integer(different), NAMES - 8, NAMES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sip_hash),
        cmocka_unit_test(test_hostile_names_take_no_more_comparisons_than_others),
        cmocka_unit_test(test_string_hash_tells_them_apart_too),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
