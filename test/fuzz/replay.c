/*
 * Stands in for libFuzzer where there is none: gives a harness each file of its corpus, what each begins with, and each
 * with one bit changed, as many of these as the limits below allow, evenly spread.
 *
 *   replay_NAME INPUT FILE...     INPUT: holds what the harness was given last, when it crashes
 */
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "require.h"

#define BEGINNINGS_MAX 32
#define CHANGES_MAX 256

static int noted = -1;
static unsigned long inputs;

/* Takes memory of its own, so that a step beyond its end is seen. */
static void give(uint8_t *bytes, size_t size)
{
    if (ftruncate(noted, 0) != 0 || pwrite(noted, bytes, size, 0) != (ssize_t)size)
        err(1, "input");
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
    inputs++;
}

static uint8_t *copy(const uint8_t *bytes, size_t size)
{
    uint8_t *copied = malloc(size);

    require(copied != NULL || size == 0);
    if (size > 0)
        memcpy(copied, bytes, size);
    return copied;
}

static void replay(const uint8_t *bytes, size_t size)
{
    give(copy(bytes, size), size);
    for (size_t length = 0; length < size; length += 1 + size / BEGINNINGS_MAX)
        give(copy(bytes, length), length);
    for (size_t bit = 0; bit < size * 8; bit += 1 + size * 8 / CHANGES_MAX) {
        uint8_t *changed = copy(bytes, size);
        changed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        give(changed, size);
    }
}

int main(int argc, char **argv)
{
    static uint8_t bytes[1 << 20];

    if (argc < 3)
        errx(2, "usage: INPUT FILE...");
    noted = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (noted < 0)
        err(1, "%s", argv[1]);
    for (int i = 2; i < argc; i++) {
        FILE *file = fopen(argv[i], "re");
        size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
        if (!file || ferror(file) || size == sizeof bytes)
            err(1, "%s", argv[i]);
        fclose(file);
        replay(bytes, size);
    }
    unlink(argv[1]);
    printf("%lu inputs of %d files\n", inputs, argc - 2);
    return 0;
}
