/*
 * A worker's map of its own heap (heap_map.h), from /proc/self/pagemap. What is free: pages of the region in blocks
 * that were given back while apps loaded; pages of the young heap that are not in memory, or in which no object slot is
 * taken. (What malloc keeps free among living blocks can't be seen.)
 */
#ifndef COWHERD_HEAP_SURVEY_H
#define COWHERD_HEAP_SURVEY_H

#include "app.h"
#include "heap_map.h"

/* Fills an empty map. 0, or -1 with errno. */
int heap_survey(const struct app_set *apps, struct heap_map *map);

/* Surveys and writes the text of the map to `fd`. Its length, or -1 with errno. */
ssize_t heap_survey_write(const struct app_set *apps, int fd);

#endif
