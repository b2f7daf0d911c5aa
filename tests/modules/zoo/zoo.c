/* SPDX-License-Identifier: Apache-2.0
 *
 * One source for the broken modules; CMakeLists.txt says what is broken in which. */
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
#ifndef ZOO_DESTROY
#define ZOO_DESTROY zoo_destroy
#endif

static enum ub_status zoo_create(const struct ub_host *host, const void *settings, void **self_out,
                                 struct ub_err *err)
{
    (void)host;
    (void)settings;
    (void)err;
    static int self;
    *self_out = &self;
    return UB_OK;
}

UB_EXPORT void zoo_destroy(void *self);

void zoo_destroy(void *self)
{
    (void)self;
}

static const struct ub_module_ops zoo_ops = {
    .size = ZOO_OPS_SIZE, .create = zoo_create, .destroy = ZOO_DESTROY};

static const struct ub_field zoo_fields[] = {{sizeof(struct ub_field), "number", UB_KIND_INT, 0,
                                              ZOO_OFFSET, "1", 0, 0, NULL, "a number", NULL}};

#ifdef ZOO_NO_SYMBOL
UB_EXPORT const struct ub_module another_symbol;
UB_EXPORT const struct ub_module another_symbol
#else
UB_MODULE
#endif
    = {.size = ZOO_SIZE,
       .abi_major = ZOO_MAJOR,
       .abi_minor = ZOO_MINOR,
       .name = ZOO_NAME,
       .version = "1.0",
       .summary = "broken",
       .ops = &zoo_ops,
       .settings_size = sizeof(int64_t),
       UB_TABLE(fields, field, zoo_fields)};
