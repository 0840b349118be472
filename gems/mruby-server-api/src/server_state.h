/*
 * What an interpreter knows of the request that it serves: an Array that lives as long as the interpreter and is hidden
 * in the environment of the C methods that use it. One Array, because a store into it goes through mruby's barriers,
 * whatever became of the heap meanwhile.
 */
#ifndef MRUBY_SERVER_STATE_H
#define MRUBY_SERVER_STATE_H

#include <mruby.h>
#include <mruby/array.h>

enum server_slot {
    SLOT_ENV,       /* Hash; nil: no request is being served */
    SLOT_SERIAL,    /* Integer: another one for each request */
    SLOT_FLAGS,     /* Integer: of enum server_flag */
    SLOT_STATUS,    /* Integer of at least 200, nil: nobody said one */
    SLOT_HEADERS,   /* Hash of lower-case names, nil */
    SLOT_BODY,      /* String, nil */
    SLOT_NOTES,     /* Hash, nil */
    SLOT_INPUT,     /* String: the request's body, when it was read; nil */
    SLOT_ENDED,     /* Class Cowherd::Server::Ended */
    SLOT_ACCESS,    /* Symbol :access */
    SLOT_CONTENT,   /* Symbol :content */
    SLOT_LOG_PHASE, /* Symbol :log */
    SLOT_CALL,      /* Symbol :call */
    SLOT_RESPOND,   /* Symbol :respond_to? */
    SLOT_TYPE,      /* Hash: the headers of an answer with nothing but text */
    SLOT_LOG,       /* mrb_server_log_func as a pointer, nil */
    SLOT_COUNT,
};

enum server_flag {
    FLAG_RUNNING = 1, /* between enter and leave */
    FLAG_TOLD = 2,    /* this run said something of the answer */
    FLAG_ANSWER = 4,  /* ... that makes an access hook answer: anything but headers */
    FLAG_PASS = 8,    /* ... Server.return of OK or DECLINED, which makes it pass */
    FLAG_DECLINED = 16,
    FLAG_ANSWERED = 32, /* an answer was made: its headers are taken */
};

/* In a method that was defined with server_define. */
static inline mrb_value server_get(mrb_value state, enum server_slot slot)
{
    return RARRAY_PTR(state)[slot];
}

static inline void server_set(mrb_state *mrb, mrb_value state, enum server_slot slot, mrb_value value)
{
    mrb_ary_set(mrb, state, slot, value);
}

/* For what is no object: nothing to tell the collector. */
static inline void server_set_immediate(mrb_value state, enum server_slot slot, mrb_value value)
{
    RARRAY_PTR(state)[slot] = value;
}

static inline mrb_int server_flags(mrb_value state)
{
    return mrb_integer(server_get(state, SLOT_FLAGS));
}

static inline void server_set_flags(mrb_value state, mrb_int flags)
{
    server_set_immediate(state, SLOT_FLAGS, mrb_fixnum_value(flags));
}

/* The state, in a method that was defined with server_define. */
mrb_value server_state(mrb_state *mrb);

/* The same anywhere else: Kernel keeps it under a name that Ruby can't say. */
mrb_value server_state_of(mrb_state *mrb);
void server_keep_state(mrb_state *mrb, mrb_value state);

/* The request that is being served (RuntimeError: none is), as a number, for objects that must not outlive it. */
mrb_value server_current_serial(mrb_state *mrb, mrb_value state);
/* Raises RuntimeError when that was another request. */
void server_check_serial(mrb_state *mrb, mrb_value state, mrb_value serial);

/* The state, while a script or hook runs; raises RuntimeError when none does. */
mrb_value server_running(mrb_state *mrb);

/* A method of `owner` that finds the state. */
void server_define(mrb_state *mrb, struct RClass *owner, const char *name, mrb_func_t function, mrb_value state);
void server_define_class_method(mrb_state *mrb, struct RClass *owner, const char *name, mrb_func_t function,
                                mrb_value state);

/* server_answer.c: enter, leave, clear, headers_for and what a script tells. */
void server_define_answer(mrb_state *mrb, struct RClass *server, mrb_value state);

/* server_headers.c: the class Headers_out. */
void server_define_headers(mrb_state *mrb, struct RClass *server, mrb_value state);
/* The Hash of the headers, made when there was none. */
mrb_value server_headers(mrb_state *mrb, mrb_value state);
/* As Headers_out#[]=: raises ArgumentError for what can't be a header. */
void server_put_header(mrb_state *mrb, mrb_value state, mrb_value name, mrb_value value);

/* server_constants.c */
void server_define_constants(mrb_state *mrb, struct RClass *server);
/* "Forbidden"; NULL for a status without a name. */
const char *server_reason(mrb_int status);

#endif
