/* SPDX-License-Identifier: Apache-2.0
 *
 * The grammar of a nats.conf: texts and the trees that they are, texts and their faults. What is
 * accepted and refused was compared with nats-server 2.15.1 and 2.9.10; where this reader takes
 * more, the row says so. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "conf_memory.h"

static void show(FILE *out, const struct conf_value *value)
{
    switch (value->kind) {
    case CONF_BOOL:
        fputs(value->boolean ? "true" : "false", out);
        break;
    case CONF_INT:
        fprintf(out, "%" PRId64, value->integer);
        break;
    case CONF_FLOAT:
        fprintf(out, "%g", value->number);
        break;
    case CONF_DATE:
        fprintf(out, "date %s", value->text);
        break;
    case CONF_TEXT:
        fprintf(out, "'%s'", value->text);
        break;
    default:
        fputc(value->kind == CONF_LIST ? '[' : '{', out);
        for (size_t i = 0; i < value->count; i++) {
            fputs(i > 0 ? " " : "", out);
            if (value->kind == CONF_MAP) {
                fprintf(out, "%s=", value->items[i].key);
            }
            show(out, &value->items[i]);
        }
        fputc(value->kind == CONF_LIST ? ']' : '}', out);
    }
}

/* The tree of a text, or `! LINE:COLUMN message` of its first fault. */
static void read_one(struct conf_memory *memory, const char *text, char *out, size_t size)
{
    struct report report = {.items = NULL};
    const struct conf_reader reader = {conf_memory_read, conf_memory_env, memory};
    struct conf conf;
    memory->names[0] = "dir/main.conf";
    memory->texts[0] = text;
    memset(out, 0, size);
    FILE *stream = fmemopen(out, size, "w");
    bool is_sound = conf_load(&conf, &reader, "dir/main.conf", &report);
    assert_int_equal(is_sound, report.count == 0);
    report_sort(&report);
    if (is_sound) {
        show(stream, &conf.root);
    } else {
        const struct report_item *item = &report.items[0];
        fprintf(stream, "! %s:%u:%u %s", item->file, (unsigned)item->line, (unsigned)item->column,
                item->message);
    }
    fclose(stream);
    conf_fini(&conf);
    report_fini(&report);
}

struct row {
    const char *text, *tree;
};

static void judge(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char out[2048];
        struct conf_memory memory = {
            .names = {NULL, "dir/users.conf", "dir/loop.conf", "/abs.conf", "dir/bad.conf"},
            .texts = {NULL, "user: ann\npassword = $PW\n", "include loop.conf\n", "z: 9", "a: [,"},
            .env = {{"PW", "secret"},
                    {"NUMBER", "64k"},
                    {"LIST", "[a, b]"},
                    {"SELF", "$SELF"},
                    {"QUOTED", "'a b'"},
                    {"TWO", "a b"}},
        };
        read_one(&memory, rows[i].text, out, sizeof(out));
        if (strcmp(out, rows[i].tree) != 0) {
            fail_msg("\n%s\n is     %s\n not    %s", rows[i].text, out, rows[i].tree);
        }
    }
}
#define JUDGE(rows) judge(rows, sizeof(rows) / sizeof((rows)[0]))

static void test_separators(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"", "{}"},
        {"  \n# nothing\n// at all\n", "{}"},
        {"port: 4222", "{port=4222}"},
        {"port = 4222", "{port=4222}"},
        {"port 4222", "{port=4222}"},
        {"port\n4222", "{port=4222}"},
        {"port:4222,host:x", "{port=4222 host='x'}"},
        {"port: 4222; host: x;", "{port=4222 host='x'}"},
        {"port: 4222 # comment\nhost: x // other", "{port=4222 host='x'}"},
        {"\xEF\xBB\xBFport: 1\r\nhost: x\r\n", "{port=1 host='x'}"},
        {"{ port: 4222, host: \"x\" }", "{port=4222 host='x'}"},
        {"authorization { user: a, password: b }", "{authorization={user='a' password='b'}}"},
        {"authorization{user:a}", "{authorization={user='a'}}"},
        {"authorization\n{\n user: a\n\n password = b\n}\n",
         "{authorization={user='a' password='b'}}"},
        {"m { user:\na; b c }", "{m={user='a' b='c'}}"},
        {"\"a b\": 1\n'c:d' = 2", "{a b=1 c:d=2}"},
        {"l [a, b\n c,\n]", "{l=['a' 'b' 'c']}"},
        {"l: [ # first\n 1, // one\n {a: 1}, [x]\n]", "{l=[1 {a=1} ['x']]}"},
        {"l: [1]\nm: {a: 1}", "{l=[1] m={a=1}}"}, /* theirs reads "1]" here */
        {"a: {}\nb: []", "{a={} b=[]}"},
        {"port: 1\nPORT: 2", "{port=1 PORT=2}"},
    };
    JUDGE(rows);
}

static void test_words(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"a: true\nb: YES\nc: on\nd: false\ne: No\nf: off\ng: \"true\"",
         "{a=true b=true c=true d=false e=false f=false g='true'}"},
        {"a: -5\nb: 1.5\nc: -0.25", "{a=-5 b=1.5 c=-0.25}"},
        {"a: 1k\nb: 1kb\nc: 1KiB\nd: 2Ki", "{a=1000 b=1024 c=1024 d=2048}"},
        {"a: 1m\nb: 1MB\nc: 1g\nd: 1GiB\ne: 1t\nf: 1p\ng: 1e",
         "{a=1000000 b=1048576 c=1000000000 d=1073741824 e=1000000000000 f=1000000000000000 "
         "g=1000000000000000000}"},
        {"a: 3s\nb: 2min\nc: 10.0.0.1\nd: 1.2.3\ne: 1.", "{a='3s' b='2min' c='10.0.0.1' d='1.2.3' "
                                                         "e='1.'}"},
        {"a: 2026-11-23T12:00:00Z", "{a=date 2026-11-23T12:00:00Z}"},
        {"a: 2026-11-23T12:00:00+01:00", "{a='2026-11-23T12:00:00+01:00'}"},
        {"a: nats://x:1/y\nb: a//b\nc: a#b\nd: ::1", "{a='nats://x:1/y' b='a//b' c='a#b' d='::1'}"},
        {"a: foo.*.>\nb: _INBOX.>", "{a='foo.*.>' b='_INBOX.>'}"},
        {"a: 9223372036854775807", "{a=9223372036854775807}"},
        {"a: 9223372036854775808", "! dir/main.conf:1:4 9223372036854775808 is too large for a "
                                   "number"},
        {"a: 1\nbb: 99999999999g", "! dir/main.conf:2:5 99999999999g is too large for a number"},
        {"a: -", "{a='-'}"},
    };
    JUDGE(rows);
}

static void test_texts(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"a: \"x y\"", "{a='x y'}"},
        {"a: 'x \\n y'", "{a='x \\n y'}"},
        {"a: \"\\t\\x41\\\"\\\\\"", "{a='\tA\"\\'}"},
        {"a: x\\x41y", "{a='xAy'}"},
        {"a: \\x41", "{a='A'}"},
        {"a: \"two\nlines\"", "{a='two\nlines'}"},
        {"a: ''", "{a=''}"},
        {"a: (\none\n (two)\n)\nb: 1", "{a='\none\n (two)\n' b=1}"},
        {"a: \"\\q\"", "! dir/main.conf:1:6 \"q\" after a backslash: only \\xXX, \\t, \\n, \\r, "
                       "\\\" and \\\\ mean something (quote with '…' to have none)"},
        {"a: \"\\x4\"", "! dir/main.conf:1:6 \\x needs two hexadecimal digits, as in \\x41"},
        {"a: \"\\x00\"", "! dir/main.conf:1:9 a text with a NUL byte in it"},
        {"a: \"x\nb: 1", "! dir/main.conf:2:5 the file ends inside of a text that began with \" on "
                         "line 1"},
        {"a: (\nx )\n", "! dir/main.conf:3:1 the file ends inside of a block that began with \"(\" "
                        "on line 1; it ends with a line that is only \")\""},
    };
    JUDGE(rows);
}

static void test_faults(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"port:", "! dir/main.conf:1:6 the key \"port\" has no value, the file ends"},
        {"port", "! dir/main.conf:1:5 the key \"port\" has no value, the file ends"},
        {"a:\n{ }", "! dir/main.conf:1:3 the key \"a\" has no value: there is a new line after its "
                    "\":\""},
        {"port: 4222 host: x", "! dir/main.conf:1:12 a new line, \",\" or \";\" is expected after "
                               "a value, but there is \"h\""},
        {"\xC3\xA4\xC3\xB6: 1 x", "! dir/main.conf:1:7 a new line, \",\" or \";\" is expected "
                                  "after a value, but there is \"x\""},
        {"l: [1 2]", "! dir/main.conf:1:7 \",\", a new line or \"]\" is expected after a value, "
                     "but there is \"2\""},
        {"l: [1,,2]", "! dir/main.conf:1:7 a value or \"]\" is expected in a list, but there is "
                      "\",\""},
        {"l: [1; 2]", "! dir/main.conf:1:6 \",\", a new line or \"]\" is expected after a value, "
                      "but there is \";\""},
        {"l: [1\n", "! dir/main.conf:2:1 a value or \"]\" is expected in a list, but there is the "
                    "end of the file"},
        {"m: {a: 1", "! dir/main.conf:1:9 \",\", a new line or \"}\" is expected after a value, "
                     "but there is the end of the file"},
        {"m: {a: 1\n", "! dir/main.conf:2:1 the file ends inside of a map that began with \"{\" on "
                       "line 1"},
        {"m: {a 1 b 2}", "! dir/main.conf:1:9 \",\", a new line or \"}\" is expected after a "
                         "value, but there is \"b\""},
        {"m {,a: 1}", "! dir/main.conf:1:4 a key is expected here, but there is \",\""},
        {": 1", "! dir/main.conf:1:1 a key is expected here, but there is \":\""},
        {"a: ]", "! dir/main.conf:1:4 a value is expected here, but there is \"]\""},
        {"a: 1\n\n  b: }", "! dir/main.conf:3:6 a value is expected here, but there is \"}\""},
        {"a: $NOSUCH", "! dir/main.conf:1:4 $NOSUCH is neither a key before this place nor set in "
                       "the environment"},
    };
    JUDGE(rows);
}

static void test_variables(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"x: 5\na: $x", "{x=5 a=5}"},
        {"x: {y: 1}\na: $x", "{x={y=1} a={y=1}}"},
        {"x: 1\nm {x: 2, a: $x}\nb: $x", "{x=1 m={x=2 a=2} b=1}"},
        {"x: 1\nx: 2\na: $x", "{x=1 x=2 a=2}"},
        {"a: $PW", "{a='secret'}"},
        {"a: $NUMBER\nb: $LIST\nc: $QUOTED", "{a=64000 b=['a' 'b'] c='a b'}"},
        {"a: \"$PW\"", "{a='$PW'}"},
        {"X: 1\na: $x", "! dir/main.conf:2:4 $x is neither a key before this place nor set in the "
                        "environment"},
        {"a: $2a$11$abcdefghijklmnopqrstuuW9uBXubNOjTsPrqlgGV5sHmkruzBguq",
         "{a='$2a$11$abcdefghijklmnopqrstuuW9uBXubNOjTsPrqlgGV5sHmkruzBguq'}"},
        {"a: $SELF", "! $SELF:1:1 $SELF refers to itself"},
        {"a: $TWO", "! $TWO:1:3 the variable has more than one value in it: quote it"},
        {"a: $b\nb: 1", "! dir/main.conf:1:4 $b is neither a key before this place nor set in the "
                        "environment"},
    };
    JUDGE(rows);
}

static void test_includes(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"include users.conf\nb: 1", "{user='ann' password='secret' b=1}"},
        {"m { include \"users.conf\"\n c: 1 }", "{m={user='ann' password='secret' c=1}}"},
        {"INCLUDE '/abs.conf'", "{z=9}"},
        {"include: 5", "{include=5}"}, /* only with white space behind it */
        {"x: 1\ninclude nope.conf", "! dir/main.conf:2:1 dir/nope.conf cannot be read: No such "
                                    "file or directory"},
        {"include bad.conf", "! dir/bad.conf:1:5 a value or \"]\" is expected in a list, but there "
                             "is \",\""},
        {"include loop.conf", "! dir/loop.conf:1:1 files include each other too deeply: does a "
                              "file include itself?"},
        {"include = 5", "! dir/main.conf:1:9 include has no \"=\": write include \"other.conf\""},
        {"include \"\"", "! dir/main.conf:1:11 include needs a path: include \"other.conf\""},
    };
    JUDGE(rows);
}

/* What nobody writes and somebody may send: bounds, each on both of its sides. */
static void test_bounds(void **state)
{
    (void)state;
    char text[4 * CONF_DEPTH_MAX], out[8192];
    struct conf_memory memory = {.names = {NULL}};
    for (int extra = 0; extra < 2; extra++) {
        size_t depth = CONF_DEPTH_MAX + (size_t)extra;
        int len = snprintf(text, sizeof(text), "a: ");
        memset(text + len, '[', depth);
        memset(text + len + depth, ']', depth);
        text[(size_t)len + 2 * depth] = '\0';
        read_one(&memory, text, out, sizeof(out));
        assert_int_equal(out[0] == '!', extra == 1 && strstr(out, "nested more than 32") != NULL);
        assert_int_equal(out[0] == '{', extra == 0);
    }
}

static void test_many_values(void **state)
{
    (void)state;
    struct conf_memory memory = {.names = {NULL}};
    char out[256];
    char *text = malloc(2 * (size_t)CONF_VALUES_MAX + 16);
    assert_non_null(text);
    char *at = text + sprintf(text, "a: [");
    for (uint32_t i = 0; i < CONF_VALUES_MAX + 1; i++) {
        *at++ = '1';
        *at++ = ',';
    }
    memcpy(at, "]", 2);
    read_one(&memory, text, out, sizeof(out));
    assert_non_null(strstr(out, "more than 262144 values"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_separators), cmocka_unit_test(test_words),
        cmocka_unit_test(test_texts),      cmocka_unit_test(test_faults),
        cmocka_unit_test(test_variables),  cmocka_unit_test(test_includes),
        cmocka_unit_test(test_bounds),     cmocka_unit_test(test_many_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
