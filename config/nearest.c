#include "nearest.h"

#include <stdlib.h>
#include <string.h>

static unsigned char lower(char letter)
{
    return letter >= 'A' && letter <= 'Z' ? (unsigned char)(letter + ('a' - 'A')) : (unsigned char)letter;
}

static size_t smallest(size_t a, size_t b, size_t c)
{
    size_t result = a < b ? a : b;
    return result < c ? result : c;
}

size_t nearest_distance(const char *a, const char *b)
{
    size_t rows = strlen(a), columns = strlen(b);
    if (rows > NEAREST_LENGTH_MAX || columns > NEAREST_LENGTH_MAX)
        return rows > columns ? rows : columns;

    /* optimal string alignment: the last three rows of the table are enough */
    size_t table[3][NEAREST_LENGTH_MAX + 1];
    for (size_t j = 0; j <= columns; j++)
        table[0][j] = j;
    for (size_t i = 1; i <= rows; i++) {
        size_t *row = table[i % 3];
        const size_t *above = table[(i + 2) % 3], *above_that = table[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            size_t replaced = above[j - 1] + (lower(a[i - 1]) != lower(b[j - 1]));
            row[j] = smallest(above[j] + 1, row[j - 1] + 1, replaced);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
                row[j] = smallest(row[j], above_that[j - 2] + 1, row[j]);
        }
    }
    return table[rows % 3][columns];
}

const char *nearest(const char *word, const char *const *candidates, size_t count)
{
    const char *found = NULL;
    size_t best = 0;
    for (size_t i = 0; i < count; i++) {
        size_t distance = nearest_distance(word, candidates[i]);
        size_t length = strlen(candidates[i]);
        size_t allowed = length < 3 ? 1 : (length + 2) / 3;
        if (distance <= allowed && distance < length && (found == NULL || distance < best)) {
            found = candidates[i];
            best = distance;
        }
    }
    return found;
}
