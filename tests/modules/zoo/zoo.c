/* SPDX-License-Identifier: Apache-2.0
 *
 * One source for the broken modules; CMakeLists.txt says what is broken in which. */
#include <signal.h>
#include <unistd.h>

#include <unibus/module.h>

#ifndef ZOO_MAJOR
#define ZOO_MAJOR 1
#endif
#ifndef ZOO_MINOR
#define ZOO_MINOR 0
#endif
#ifndef ZOO_SIZE
#define ZOO_SIZE sizeof(struct ub_module)
#endif
#ifndef ZOO_OPS_SIZE
#define ZOO_OPS_SIZE sizeof(struct ub_module_ops)
#endif
#ifndef ZOO_OFFSET
#define ZOO_OFFSET 0
#endif
#ifndef ZOO_CREATE
#define ZOO_CREATE zoo_create
#endif
#ifndef ZOO_FLAGS
#define ZOO_FLAGS 0
#endif
#ifndef ZOO_DESTROY
#define ZOO_DESTROY zoo_destroy
#endif
#ifndef ZOO_FIELD_NAME
#define ZOO_FIELD_NAME "number"
#endif
#ifndef ZOO_KIND
#define ZOO_KIND UB_KIND_INT
#endif
#ifndef ZOO_DEFAULT
#define ZOO_DEFAULT "1"
#endif
#ifndef ZOO_MAX
#define ZOO_MAX 0
#endif
#ifndef ZOO_STRIDE
#define ZOO_STRIDE sizeof(struct ub_field)
#endif

#ifndef ZOO_START
#define ZOO_START zoo_start
#endif

#ifdef ZOO_UNDEFINED
extern int zoo_nobody_has_this(void);
#endif
#ifdef ZOO_LIBRARY
extern int zoo_library(void);
#endif

/* Not static, because some of the zoo leave them out of their table. */
UB_EXPORT enum ub_status zoo_create(const struct ub_host *host, const void *settings,
                                    void **self_out, struct ub_err *err);
UB_EXPORT void zoo_destroy(void *self);

enum ub_status zoo_create(const struct ub_host *host, const void *settings, void **self_out,
                          struct ub_err *err)
{
    (void)host;
    (void)settings;
    (void)err;
    static int self;
#ifdef ZOO_UNDEFINED
    self = zoo_nobody_has_this();
#endif
#ifdef ZOO_LIBRARY
    self = zoo_library();
#endif
    *self_out = &self;
    return UB_OK;
}

void zoo_destroy(void *self)
{
    (void)self;
}

/* What only running it shows: `unibus module check` must. Some of the zoo have another. */
UB_EXPORT enum ub_status zoo_start(void *self, struct ub_err *err);
UB_EXPORT enum ub_status zoo_start_crash(void *self, struct ub_err *err);
UB_EXPORT enum ub_status zoo_start_hang(void *self, struct ub_err *err);
UB_EXPORT enum ub_status zoo_start_leak(void *self, struct ub_err *err);

enum ub_status zoo_start(void *self, struct ub_err *err)
{
    (void)self;
    (void)err;
    return UB_OK;
}

enum ub_status zoo_start_crash(void *self, struct ub_err *err)
{
    (void)self;
    (void)err;
    raise(SIGSEGV);
    return UB_OK;
}

enum ub_status zoo_start_hang(void *self, struct ub_err *err)
{
    (void)self;
    (void)err;
    for (;;) {
        pause();
    }
}

enum ub_status zoo_start_leak(void *self, struct ub_err *err)
{
    (void)self;
    (void)err;
    return dup(0) >= 0 ? UB_OK : UB_EIO; /* nobody closes it */
}

#ifdef ZOO_CONSTRUCTOR
__attribute__((constructor)) static void zoo_constructor(void)
{
    raise(SIGABRT);
}
#endif

static const struct ub_module_ops zoo_ops = {
    .size = ZOO_OPS_SIZE, .create = ZOO_CREATE, .start = ZOO_START, .destroy = ZOO_DESTROY};

static const struct ub_field zoo_fields[] = {
    {sizeof(struct ub_field), "first", UB_KIND_INT, 0, 8, "1", 0, 0, NULL, "a number", NULL},
    {sizeof(struct ub_field), ZOO_FIELD_NAME, ZOO_KIND, ZOO_FLAGS, ZOO_OFFSET, ZOO_DEFAULT, 1,
     ZOO_MAX, NULL, "what is broken", NULL}};

#ifdef ZOO_PROVIDES
static const struct ub_provide zoo_provides[] = {
    {sizeof(struct ub_provide), "t.kv", 1, 0, &zoo_ops},
    {sizeof(struct ub_provide), ZOO_PROVIDES, 1, 0, &zoo_ops}};
#endif
#ifdef ZOO_SETTING
static const struct ub_require zoo_requires[] = {
    {sizeof(struct ub_require), "t.kv", 1, 0, 0, ZOO_SETTING}};
#endif

#ifdef ZOO_NO_SYMBOL
UB_EXPORT const struct ub_module another_symbol;
UB_EXPORT const struct ub_module another_symbol
#else
UB_MODULE
#endif
    = {
        .size = ZOO_SIZE,
        .abi_major = ZOO_MAJOR,
        .abi_minor = ZOO_MINOR,
        .name = ZOO_NAME,
        .version = "1.0",
        .summary = "broken",
        .ops = &zoo_ops,
        .settings_size = 64,
        .fields = zoo_fields,
        .field_count = 2,
        .field_stride = ZOO_STRIDE,
#ifdef ZOO_PROVIDES
        UB_TABLE(provides, provide, zoo_provides),
#endif
#ifdef ZOO_SETTING
        UB_TABLE(requires_, require, zoo_requires),
#endif
};
