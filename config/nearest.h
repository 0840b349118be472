/* The word that was probably meant. */
#ifndef COWHERD_NEAREST_H
#define COWHERD_NEAREST_H

#include <stddef.h>

/*
 * How many letters have to be inserted, removed, replaced or swapped with their neighbour to get from a to b; case is
 * ignored. At most NEAREST_LENGTH_MAX letters are compared: a longer word is as far away as it is long.
 */
#define NEAREST_LENGTH_MAX 63
size_t nearest_distance(const char *a, const char *b);

/*
 * The candidate nearest to `word`, the first of several; NULL when none is near enough to be meant (a third of its
 * letters at most).
 */
const char *nearest(const char *word, const char *const *candidates, size_t count);

#endif
