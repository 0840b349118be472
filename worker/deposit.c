#include "deposit.h"

#include <sys/stat.h>
#include <unistd.h>

#include "escrow.h"
#include "unbegun.h"

/* Each is a file in flight, and those of a user are limited. */
#define DEPOSITS_MAX 16
#define LOOKS_MAX (4 * DEPOSITS_MAX) /* the supervisor's are there, too */

/* The oldest copy goes, or goes to the end of the queue. */
static bool sweep_one(struct connection_table *table)
{
    int fd = escrow_withdraw(table->escrow);

    if (fd == -1) {
        table->deposits = table->decided = 0;
        return false;
    }
    bool marked = unbegun_is_marked(fd);
    if (!marked && escrow_deposit(table->escrow, fd)) {
        close(fd);
        return true;
    }
    close(fd);
    table->deposits -= table->deposits > 0;
    table->decided -= marked && table->decided > 0;
    return true;
}

static bool is_same(int fd, const struct stat *wanted)
{
    struct stat status;

    return fstat(fd, &status) == 0 && status.st_dev == wanted->st_dev && status.st_ino == wanted->st_ino;
}

bool deposit_take_out(struct connection_table *table, int fd)
{
    struct stat wanted;

    for (int left = fstat(fd, &wanted) == 0 ? LOOKS_MAX : 0; left > 0; left--) {
        int copy = escrow_withdraw(table->escrow);
        if (copy == -1)
            return false;
        bool same = is_same(copy, &wanted), marked = unbegun_is_marked(copy);
        bool kept = !same && !marked && escrow_deposit(table->escrow, copy);
        close(copy);
        if (!kept)
            table->deposits -= table->deposits > 0;
        if (!kept && !same && marked)
            table->decided -= table->decided > 0;
        if (same)
            return true;
    }
    return false;
}

void deposit_sweep(struct connection_table *table)
{
    for (unsigned left = table->deposits; left > 0 && table->decided > 0; left--)
        if (!sweep_one(table))
            break;
}

static bool has_room(struct connection_table *table)
{
    if (table->deposits >= DEPOSITS_MAX)
        deposit_sweep(table);
    return table->deposits < DEPOSITS_MAX;
}

void deposit_exposed(struct connection_table *table)
{
    /* New ones are at the end. */
    for (struct connection *at = table->waiting[WAIT_HEAD].last; at != NULL && table->exposed > 0; at = at->previous) {
        if (!at->exposed)
            continue;
        at->exposed = false;
        table->exposed--;
        if (table->escrow == -1 || !has_room(table) || !escrow_deposit(table->escrow, at->fd))
            continue;
        at->deposited = true;
        table->deposits++;
    }
}

void deposit_given(struct connection_table *table, struct connection *connection)
{
    connection->deposited = true;
    table->deposits++;
}
