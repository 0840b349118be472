/*
 * The remembered set of one interpreter: which frozen (permanent) objects may refer to young ones. The write barriers
 * fill it; each collection takes it as additional roots. An object that refers to no young object any more leaves the
 * set at the end of a marking phase.
 *
 * Small objects are walked whole at each collection. A large container (an Array or Hash of more than
 * REMEMBERED_LARGE references) is not: the values that were stored into it are listed, and the container is walked to
 * make that list anew only when the list has doubled or after REMEMBERED_ROUNDS collections, so that one store into a
 * huge preloaded Hash doesn't make every collection walk it.
 */
#ifndef COWHERD_REMEMBERED_SET_H
#define COWHERD_REMEMBERED_SET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mruby.h>

#define REMEMBERED_LARGE 64
#define REMEMBERED_ROUNDS 256

struct remembered {
    struct RBasic *object;
    struct RBasic **young; /* large: what was stored since the last walk and what that found */
    uint32_t young_count;
    uint32_t young_capacity;
    uint32_t walk_at; /* young_count at which it is walked again */
    uint32_t found;   /* young objects that it referred to at the last marking */
    uint16_t rounds;  /* collections since the last walk */
    bool large;
    bool incomplete; /* there was no memory for the list */
    bool walk;
};

struct remembered_set {
    struct remembered *items;
    uint32_t count;
    uint32_t capacity;
    uint32_t *index; /* open addressing: position + 1, 0 empty */
    uint32_t index_size;
    size_t live_before; /* objects, at the beginning of this marking phase */
};

/* `value` (young) was stored into `object`. */
void remembered_set_add_value(struct remembered_set *set, struct RBasic *object, struct RBasic *value);

/* Something was or will be stored into `object`. */
void remembered_set_add(struct remembered_set *set, struct RBasic *object);

/*
 * Marks what the set keeps alive: at the beginning of a marking phase, and again at its end (`last`) when Ruby has run
 * between the two. At the end objects without young references leave the set.
 */
void remembered_set_mark(struct remembered_set *set, mrb_state *mrb, bool last);

/* The next collection walks all containers: what lists alone keep alive, overwritten values, dies by it. */
void remembered_set_walk_all(struct remembered_set *set);

void remembered_set_clear(struct remembered_set *set);

#endif
