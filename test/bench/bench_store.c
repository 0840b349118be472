/*
 * What the shared store gives Ruby, beside LMDB itself from C: operations per second on entries of the same keys and
 * sizes in memory, in interleaved rounds. The C side is what somebody writes who has LMDB alone: one transaction for
 * each operation, without sync; a read transaction is kept and renewed, as LMDB's manual recommends, and a value is
 * copied out, as it must be to outlive the transaction. It has no expiry, no bound, no books and no types.
 *
 *   bench_store [rounds [seconds]]
 *
 * Prints a line for each round and operation: ROUND OPERATION C RUBY.
 */
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <lmdb.h>
#include <mruby.h>
#include <mruby/array.h>
#include <mruby/compile.h>
#include <mruby/error.h>
#include <mruby/string.h>

#include "clock.h"

#define ENTRIES 1000
#define DRAWS 10000 /* operations of a pass, each on an entry drawn by chance */
#define VALUE_SIZE 100
#define MAP_SIZE (32 << 20)

static char keys[ENTRIES][16];
static size_t draws[DRAWS];
static char value[VALUE_SIZE];
static volatile char copied[VALUE_SIZE];

static MDB_env *env;
static MDB_dbi dbi;
static MDB_txn *reader;

static void demand(int error, const char *what)
{
    if (error == 0)
        return;
    fprintf(stderr, "bench_store: %s: %s\n", what, mdb_strerror(error));
    exit(2);
}

static void open_lmdb(void)
{
    char directory[] = "/dev/shm/bench-store-XXXXXX";
    char data[sizeof directory + 8], lock[sizeof directory + 16];
    MDB_txn *txn;

    if (mkdtemp(directory) == NULL) {
        perror("bench_store: /dev/shm");
        exit(2);
    }
    snprintf(data, sizeof data, "%s/data", directory);
    snprintf(lock, sizeof lock, "%s/data-lock", directory);
    demand(mdb_env_create(&env), "mdb_env_create");
    demand(mdb_env_set_mapsize(env, MAP_SIZE), "mdb_env_set_mapsize");
    int error = mdb_env_open(env, data, MDB_NOSUBDIR | MDB_NOTLS | MDB_NOSYNC | MDB_NORDAHEAD, 0600);
    unlink(data);
    unlink(lock);
    rmdir(directory);
    demand(error, "mdb_env_open");
    demand(mdb_txn_begin(env, NULL, 0, &txn), "mdb_txn_begin");
    demand(mdb_dbi_open(txn, NULL, 0, &dbi), "mdb_dbi_open");
    demand(mdb_txn_commit(txn), "mdb_txn_commit");
    demand(mdb_txn_begin(env, NULL, MDB_RDONLY, &reader), "mdb_txn_begin");
    mdb_txn_reset(reader);
}

static MDB_val key_of(size_t i)
{
    return (MDB_val){ .mv_size = strlen(keys[i]), .mv_data = keys[i] };
}

static void lmdb_get(size_t i)
{
    MDB_val key = key_of(i), found;

    demand(mdb_txn_renew(reader), "mdb_txn_renew");
    demand(mdb_get(reader, dbi, &key, &found), "mdb_get");
    memcpy((char *)copied, found.mv_data, found.mv_size);
    mdb_txn_reset(reader);
}

static void lmdb_set(size_t i)
{
    MDB_val key = key_of(i), data = { .mv_size = sizeof value, .mv_data = value };
    MDB_txn *txn;

    demand(mdb_txn_begin(env, NULL, 0, &txn), "mdb_txn_begin");
    demand(mdb_put(txn, dbi, &key, &data, 0), "mdb_put");
    demand(mdb_txn_commit(txn), "mdb_txn_commit");
}

static void lmdb_increment(size_t i)
{
    MDB_val key = { .mv_size = 4, .mv_data = "hits" }, data;
    MDB_txn *txn;
    int64_t number = 0;

    (void)i;
    demand(mdb_txn_begin(env, NULL, 0, &txn), "mdb_txn_begin");
    if (mdb_get(txn, dbi, &key, &data) == 0)
        memcpy(&number, data.mv_data, sizeof number);
    number++;
    data = (MDB_val){ .mv_size = sizeof number, .mv_data = &number };
    demand(mdb_put(txn, dbi, &key, &data, 0), "mdb_put");
    demand(mdb_txn_commit(txn), "mdb_txn_commit");
}

static const char program[] = "class Bench\n"
                              "  def initialize(keys, value)\n"
                              "    @store = SharedStore.new(size: 16 << 20)\n"
                              "    @keys = keys\n"
                              "    @value = value\n"
                              "  end\n"
                              "  def get\n"
                              "    store = @store\n"
                              "    keys = @keys\n"
                              "    i = 0\n"
                              "    n = @keys.size\n"
                              "    while i < n\n"
                              "      store[keys[i]]\n"
                              "      i += 1\n"
                              "    end\n"
                              "  end\n"
                              "  def set\n"
                              "    store = @store\n"
                              "    keys = @keys\n"
                              "    value = @value\n"
                              "    i = 0\n"
                              "    n = @keys.size\n"
                              "    while i < n\n"
                              "      store[keys[i]] = value\n"
                              "      i += 1\n"
                              "    end\n"
                              "  end\n"
                              "  def increment\n"
                              "    store = @store\n"
                              "    i = 0\n"
                              "    n = @keys.size\n"
                              "    while i < n\n"
                              "      store.increment('hits')\n"
                              "      i += 1\n"
                              "    end\n"
                              "  end\n"
                              "  def check\n"
                              "    raise 'a value is missing' unless @keys.all? { |key| @store[key] == @value }\n"
                              "  end\n"
                              "end\n"
                              "Bench\n";

static mrb_state *mrb;
static mrb_value bench;

static void demand_ruby(void)
{
    if (mrb->exc == NULL)
        return;
    mrb_print_error(mrb);
    exit(2);
}

static void open_ruby(void)
{
    mrb = mrb_open();
    if (mrb == NULL)
        exit(2);
    mrb_value class = mrb_load_string(mrb, program);
    demand_ruby();
    mrb_value names = mrb_ary_new(mrb);
    for (size_t i = 0; i < ENTRIES; i++)
        mrb_ary_push(mrb, names, mrb_str_new_cstr(mrb, keys[i]));
    mrb_value drawn = mrb_ary_new(mrb);
    for (size_t i = 0; i < DRAWS; i++)
        mrb_ary_push(mrb, drawn, mrb_ary_ref(mrb, names, (mrb_int)draws[i]));
    bench = mrb_funcall(mrb, class, "new", 2, drawn, mrb_str_new(mrb, value, sizeof value));
    demand_ruby();
    mrb_gc_register(mrb, bench);
}

struct operation {
    const char *name;
    void (*in_c)(size_t i);
};

/* In this order: what gets reads what set has written. */
static const struct operation operations[] = {
    { .name = "set", .in_c = lmdb_set },
    { .name = "get", .in_c = lmdb_get },
    { .name = "increment", .in_c = lmdb_increment },
};

static void run_c(const struct operation *operation)
{
    for (size_t i = 0; i < DRAWS; i++)
        operation->in_c(draws[i]);
}

static void run_ruby(const struct operation *operation)
{
    int arena = mrb_gc_arena_save(mrb);

    mrb_funcall(mrb, bench, operation->name, 0);
    demand_ruby();
    mrb_gc_arena_restore(mrb, arena);
}

static double rate(void (*run)(const struct operation *operation), const struct operation *operation, int64_t ns)
{
    int64_t began = clock_monotonic_ns(), now;
    uint64_t count = 0;

    do {
        run(operation);
        count += DRAWS;
        now = clock_monotonic_ns();
    } while (now - began < ns);
    return (double)count * 1e9 / (double)(now - began);
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 15;
    double seconds = argc > 2 ? atof(argv[2]) : 0.2;

    uint32_t random = 1;

    for (size_t i = 0; i < ENTRIES; i++)
        snprintf(keys[i], sizeof keys[i], "session:%04zu", i);
    for (size_t i = 0; i < DRAWS; i++) {
        random = random * 1664525 + 1013904223;
        draws[i] = (random >> 8) % ENTRIES;
    }
    memset(value, 'v', sizeof value);
    open_lmdb();
    open_ruby();
    for (int round = 0; round <= rounds; round++)
        for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
            const struct operation *operation = &operations[i];
            double in_c = rate(run_c, operation, (int64_t)(seconds * 1e9));
            double in_ruby = rate(run_ruby, operation, (int64_t)(seconds * 1e9));
            if (round > 0) /* the first one warms up */
                printf("%d %s %.0f %.0f\n", round, operation->name, in_c, in_ruby);
        }
    mrb_funcall(mrb, bench, "check", 0);
    demand_ruby();
    mrb_close(mrb);
    mdb_txn_abort(reader);
    mdb_env_close(env);
    return 0;
}
