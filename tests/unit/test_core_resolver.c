/* SPDX-License-Identifier: Apache-2.0 */
#include "test_core_node.h"

#include <unibus/error.h>

/* Modules that only provide and require; `self` is their own name. */
static enum ub_status plain_create(const struct ub_host *host, const void *settings,
                                   void **self_out, struct ub_err *err)
{
    (void)host;
    (void)settings;
    (void)err;
    static int self;
    *self_out = &self;
    return UB_OK;
}

static void plain_destroy(void *self)
{
    (void)self;
}

/* What was bound, in order: "user<-store;" */
static char bound[512];
static const char *binder;
static bool bind_fails;

static enum ub_status plain_bind(void *self, const struct ub_service *service, struct ub_err *err)
{
    (void)self;
    if (bind_fails) {
        return ub_fail(err, UB_EUNSUPPORTED, "%s of module \"%s\" has no batches", service->iface,
                       service->module);
    }
    size_t used = strlen(bound);
    snprintf(bound + used, sizeof(bound) - used, "%s<-%s %s %d.%d;", binder, service->module,
             service->iface, service->major, service->minor);
    return UB_OK;
}

static const struct ub_module_ops plain_ops = {.size = sizeof(plain_ops),
                                               .create = plain_create,
                                               .bind = plain_bind,
                                               .destroy = plain_destroy};

struct pick_settings {
    const char *kv;
};

static const struct ub_field pick_fields[] = {
    UB_FIELD_SERVICE(struct pick_settings, kv, "t.kv", 0, "the store")};

#define PROVIDE(iface, major, minor)                                                               \
    {                                                                                              \
        sizeof(struct ub_provide), iface, major, minor, &plain_ops                                 \
    }
#define REQUIRE(iface, major, minor, flags, setting)                                               \
    {                                                                                              \
        sizeof(struct ub_require), iface, major, minor, flags, setting                             \
    }

#define MODULE(name_, ...)                                                                         \
    {                                                                                              \
        .size = sizeof(struct ub_module), .abi_major = 1, .name = name_, .version = "1",           \
        .ops = &plain_ops, .settings_size = sizeof(struct pick_settings), __VA_ARGS__              \
    }

static const struct ub_provide kv_1_2[] = {PROVIDE("t.kv", 1, 2)};
static const struct ub_provide kv_2_0[] = {PROVIDE("t.kv", 2, 0)};
static const struct ub_provide a_1[] = {PROVIDE("t.a", 1, 0)};
static const struct ub_provide b_1[] = {PROVIDE("t.b", 1, 0)};
static const struct ub_require need_kv[] = {REQUIRE("t.kv", 1, 1, 0, "kv")};
static const struct ub_require need_kv_plain[] = {REQUIRE("t.kv", 1, 0, 0, NULL)};
static const struct ub_require need_kv_new[] = {REQUIRE("t.kv", 1, 3, 0, NULL)};
static const struct ub_require maybe_kv[] = {REQUIRE("t.kv", 1, 0, UB_OPTIONAL, NULL)};
static const struct ub_require every_kv[] = {REQUIRE("t.kv", 1, 0, UB_EVERY, NULL)};
static const struct ub_require others_kv[] = {REQUIRE("t.kv", 1, 0, UB_EVERY | UB_NOT_SELF, NULL)};
static const struct ub_require need_a[] = {REQUIRE("t.a", 1, 0, 0, NULL)};
static const struct ub_require need_b[] = {REQUIRE("t.b", 1, 0, 0, NULL)};

static const struct ub_module store = MODULE("store", UB_TABLE(provides, provide, kv_1_2));
static const struct ub_module store_two = MODULE("store-two", UB_TABLE(provides, provide, kv_1_2));
static const struct ub_module store_new = MODULE("store-new", UB_TABLE(provides, provide, kv_2_0));
static const struct ub_module user =
    MODULE("user", UB_TABLE(fields, field, pick_fields), UB_TABLE(requires_, require, need_kv));
static const struct ub_module plain = MODULE("plain", UB_TABLE(requires_, require, need_kv_plain));
static const struct ub_module eager = MODULE("eager", UB_TABLE(requires_, require, need_kv_new));
static const struct ub_module casual = MODULE("casual", UB_TABLE(requires_, require, maybe_kv));
static const struct ub_module every =
    MODULE("every", UB_TABLE(provides, provide, kv_1_2), UB_TABLE(requires_, require, every_kv));
static const struct ub_module layer =
    MODULE("layer", UB_TABLE(provides, provide, kv_1_2), UB_TABLE(requires_, require, others_kv));
static const struct ub_module ring_a =
    MODULE("ring-a", UB_TABLE(provides, provide, a_1), UB_TABLE(requires_, require, need_b));
static const struct ub_module ring_b =
    MODULE("ring-b", UB_TABLE(provides, provide, b_1), UB_TABLE(requires_, require, need_a));

static const struct ub_module *const statics[] = {&store, &store_two, &store_new, &user,
                                                  &plain, &eager,     &casual,    &every,
                                                  &layer, &ring_a,    &ring_b};

#define COUNT             (sizeof(statics) / sizeof(statics[0]))
#define FAILS(lua, lines) plan_fails(lua, statics, COUNT, lines)
#define ONE(message)      "unibus.lua:" message "\n1 error, nothing was started.\n"

/* The order of the modules and what they are bound to. */
static void plan_is(const char *lua, const char *order, const char *bindings)
{
    struct test_node node;
    char text[256] = "";
    node_open(&node, lua, statics, COUNT);
    bool is_planned = boot_plan(&node.boot);
    assert_string_equal(is_planned ? "" : node_report(&node, "no"), "");
    bound[0] = '\0';
    for (size_t i = 0; i < node.boot.plan.count; i++) {
        struct instance *instance = &node.boot.plan.instances[node.boot.plan.order[i]];
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s ", instance->block->name);
        binder = instance->block->name;
        for (size_t j = 0; j < instance->binding_count; j++) {
            const struct binding *binding = &instance->bindings[j];
            const struct instance *provider = &node.boot.plan.instances[binding->provider];
            struct ub_provide provide = provide_at(&provider->loaded.module, binding->provide);
            const struct ub_service service = {.iface = provide.iface,
                                               .major = provide.major,
                                               .minor = provide.minor,
                                               .module = provider->block->name};
            plain_bind(NULL, &service, NULL);
        }
    }
    assert_string_equal(text, order);
    assert_string_equal(bound, bindings);
    node_close(&node);
}

static void providers_come_first_else_as_written(void **state)
{
    (void)state;
    plan_is(LUA("module \"user\" {}\nmodule \"casual\" {}\nmodule \"store\" {}"),
            "store user casual ", "user<-store t.kv 1.2;casual<-store t.kv 1.2;");
    plan_is(LUA("module \"casual\" {}"), "casual ", "");
}

static void setting_picks_the_provider(void **state)
{
    (void)state;
    plan_is(LUA("module \"store\" {}\nmodule \"store-two\" {}\nmodule \"user\" { kv = "
                "\"store-two\" }"),
            "store store-two user ", "user<-store-two t.kv 1.2;");
    FAILS(LUA("module \"store\" {}\nmodule \"user\" { kv = \"stroe\" }"),
          ONE("3: module \"user\": kv = \"stroe\" names no module of this config (did you mean "
              "\"store\"?)"));
    FAILS(LUA("module \"store\" {}\nmodule \"casual\" {}\nmodule \"user\" { kv = \"casual\" }"),
          ONE("4: module \"user\": kv = \"casual\" names a module that does not provide t.kv"));
}

static void ambiguity_names_the_line_to_add(void **state)
{
    (void)state;
    FAILS(
        LUA("module \"store\" {}\nmodule \"store-two\" {}\nmodule \"user\" {}"),
        ONE("4: module \"user\" needs one t.kv, but \"store\" (line 2) and \"store-two\" (line 3) "
            "provide it: add kv = \"store\" to module \"user\""));
    FAILS(
        LUA("module \"store\" {}\nmodule \"store-two\" {}\nmodule \"plain\" {}"),
        ONE("4: module \"plain\" needs one t.kv, but \"store\" (line 2) and \"store-two\" (line 3) "
            "provide it: remove the line of one of them"));
}

static void missing_and_wrong_versions(void **state)
{
    (void)state;
    FAILS(LUA("module \"user\" {}"),
          ONE("2: module \"user\" needs t.kv 1.x, and no module of this config provides it: add "
              "one that does"));
    FAILS(LUA("module \"store-new\" {}\nmodule \"user\" {}"),
          ONE("3: module \"user\" needs t.kv 1.1 or a later 1.x, but module \"store-new\" provides "
              "t.kv 2.0"));
    FAILS(LUA("module \"store\" {}\nmodule \"eager\" {}"),
          ONE("3: module \"eager\" needs t.kv 1.3 or a later 1.x, but module \"store\" provides "
              "t.kv 1.2"));
}

static void every_binds_all_in_the_order_of_the_config(void **state)
{
    (void)state;
    plan_is(LUA("module \"store-two\" {}\nmodule \"every\" {}\nmodule \"store\" {}"),
            "store-two store every ",
            "every<-store-two t.kv 1.2;every<-every t.kv 1.2;every<-store t.kv 1.2;");
    plan_is(LUA("module \"layer\" {}\nmodule \"store\" {}"), "store layer ",
            "layer<-store t.kv 1.2;");
}

static void cycle_is_printed(void **state)
{
    (void)state;
    FAILS(LUA("module \"ring-a\" {}\nmodule \"ring-b\" {}"),
          ONE("2: module \"ring-a\" needs itself: ring-a -(t.b)-> ring-b -(t.a)-> ring-a: name "
              "another provider for one of these interfaces"));
}

/* A module that could not be loaded may be the one that provides: no second fault. */
static void missing_file_does_not_echo(void **state)
{
    (void)state;
    FAILS(LUA("module \"stor\" {}\nmodule \"user\" {}"),
          "unibus.lua:2: module \"stor\": there is no file " TEST_MODULES "/stor.so\n"
          "1 error, nothing was started.\n");
}

/* bind runs once for each service, with the provider's name. */
static void bind_hands_over_each_service(void **state)
{
    (void)state;
    struct test_node node;
    node_open(&node, LUA("module \"user\" {}\nmodule \"store\" {}"), statics, COUNT);
    bound[0] = '\0';
    binder = "user";
    assert_true(boot_plan(&node.boot));
    assert_true(boot_start(&node.boot));
    assert_string_equal(bound, "user<-store t.kv 1.2;");
    node_close(&node);
}

static void refused_service_stops_the_start(void **state)
{
    (void)state;
    struct test_node node;
    node_open(&node, LUA("module \"user\" {}\nmodule \"store\" {}"), statics, COUNT);
    bind_fails = true;
    assert_true(boot_plan(&node.boot));
    assert_false(boot_start(&node.boot));
    bind_fails = false;
    assert_string_equal(node_report(&node, "nothing was started"),
                        ONE("2: module \"user\": t.kv of module \"store\" has no batches"));
    assert_string_equal(node.boot.report.items[0].code, "E-MODULE-017");
    node_close(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FOLDER_TEST(providers_come_first_else_as_written),
        FOLDER_TEST(setting_picks_the_provider),
        FOLDER_TEST(ambiguity_names_the_line_to_add),
        FOLDER_TEST(missing_and_wrong_versions),
        FOLDER_TEST(every_binds_all_in_the_order_of_the_config),
        FOLDER_TEST(cycle_is_printed),
        FOLDER_TEST(missing_file_does_not_echo),
        FOLDER_TEST(bind_hands_over_each_service),
        FOLDER_TEST(refused_service_stops_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
