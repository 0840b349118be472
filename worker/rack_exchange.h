/*
 * What Rack keeps of an interpreter (struct rack) and of the request in hand (struct rack_exchange). Shared by the
 * rack_*.c files alone.
 */
#ifndef COWHERD_RACK_EXCHANGE_H
#define COWHERD_RACK_EXCHANGE_H

#include <stdbool.h>
#include <stdint.h>

#include <mruby.h>

#include "app.h"
#include "rack_shape.h"
#include "request.h"
#include "scripts.h"
#include "strbuf.h"
#include "vm.h"

#define RACK_NAME_SLOTS 256
#define RACK_GUESSES 48

struct rack {
    struct rack_exchange *exchange; /* the request in hand, or NULL */
    uint64_t serial;                /* of that request: objects that an app kept from an earlier one are dead */

    mrb_value names;                     /* Array of frozen Strings, by enum rack_name (rack_env.c) */
    uint8_t name_slots[RACK_NAME_SLOTS]; /* hash table into it: index plus one, 0 when empty */
    uint8_t guesses[RACK_GUESSES];       /* enum rack_name plus one, by the position among a request's parameters */
    struct rack_shapes shapes;
    struct RClass *input_class;
    struct RClass *stream_class;
    mrb_value errors;          /* the one rack.errors */
    struct strbuf errors_line; /* what was written to it behind the last line break */
    mrb_func_t respond_to;     /* Kernel's: one that is written in Ruby knows better than the table of methods */
    mrb_value logged_env;      /* of a request that rack_finish is still to come for; else nil */
    struct {
        mrb_sym call, close, each, last_match, method_missing, respond_to, to_ary, to_path;
    } symbols;
};

struct rack_exchange {
    struct rack *rack;
    struct vm *vm;
    const struct app *app;
    struct request *request;
    const char *method;          /* "GET" when the front end sent none */
    struct script_choice choice; /* when the app has scripts */

    /* Ruby's side; kept alive by the arena from the call to the end */
    mrb_value env;
    mrb_value input;    /* rack.input */
    mrb_value finished; /* rack.response_finished */
    mrb_value headers;
    mrb_value body; /* nil until the app has returned one */

    int status;         /* as the app gave it */
    struct strbuf head; /* "Status: ..." and the header lines, without the blank line that ends them */
    bool has_length;    /* the head has a Content-Length, of `length` bytes */
    int64_t length;
    size_t length_at, length_size; /* of its line in the head */
    bool bodiless;                 /* HEAD, 204, 304: no byte of the body leaves */
    bool says_yes;                 /* by its status alone: what the headers say of a body is not for this one */
    bool head_written;
    bool entered; /* gems/mruby-server-api knows of the request */
    int file;     /* descriptor of a body that is a file, or -1 */
};

static inline struct rack *rack_of(mrb_state *mrb)
{
    return vm_of(mrb)->rack;
}

/* The exchange that an object made for request `serial` may still use. Raises IOError when that request is over. */
struct rack_exchange *rack_exchange_of(mrb_state *mrb, uint64_t serial);

/*
 * Calls object.each with `block`, a C function that finds the exchange by rack_block_exchange: an app that keeps the
 * block and calls it after the request gets an IOError.
 */
void rack_each(mrb_state *mrb, mrb_value object, mrb_func_t block);
struct rack_exchange *rack_block_exchange(mrb_state *mrb);

/*
 * As respond_to?, also for objects that answer by respond_to_missing? and method_missing, or have a respond_to? of
 * their own.
 */
bool rack_responds(mrb_state *mrb, mrb_value object, mrb_sym method);

#endif
