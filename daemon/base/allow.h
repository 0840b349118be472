/*
 * The pool's `socket.allow`: which addresses may connect over TCP. Pure.
 */
#ifndef COWHERD_ALLOW_H
#define COWHERD_ALLOW_H

#include <stdbool.h>
#include <stddef.h>

#include <sys/socket.h>

struct allow_list;

/*
 * From "127.0.0.1", "10.0.0.0/8", "::1", "2001:db8::/32", ... NULL when one of them is no address or prefix; *wrong
 * then points to it. An empty list allows everyone.
 */
struct allow_list *allow_list_new(char *const *items, size_t count, const char **wrong);
void allow_list_free(struct allow_list *list); /* NULL is fine */

/*
 * An IPv4 client is looked for among the IPv4 entries, also when it comes mapped into IPv6 (::ffff:a.b.c.d); an entry
 * such as "::/0" is about IPv6 alone. A client that is neither (a unix socket) is always allowed.
 */
bool allow_list_matches(const struct allow_list *list, const struct sockaddr *client);

#endif
