/* SPDX-License-Identifier: Apache-2.0
 *
 * Races: many threads, and what must hold whoever wins. */
#include "kv_tool.h"

#define RACE_THREADS 16
#define RACE_ROUNDS  25

static void race_count(struct kv_race *race, enum ub_status status, enum ub_status refused)
{
    pthread_mutex_lock(&race->lock);
    race->ok += status == UB_OK;
    race->refused += status == refused;
    race->failed += status != UB_OK && status != refused;
    pthread_mutex_unlock(&race->lock);
}

static int64_t read_number(struct kv_race *race, struct ub_kv_bucket *bucket, const char *key,
                           int64_t *revision_out)
{
    struct ub_kv_value value = {.size = sizeof(value)};
    struct ub_kv_key k = kv_key(key);
    char text[32] = {0};
    *revision_out = 0;
    if (race->t->store.ops->get(bucket, &k, UB_KV_NEWEST, &value, NULL) == UB_OK) {
        memcpy(text, value.bytes.ptr, value.bytes.len < 31 ? value.bytes.len : 31);
        *revision_out = value.revision;
        race->t->store.ops->value_free(race->t->store.self, &value);
    }
    return strtoll(text, NULL, 10);
}

static enum ub_status race_write(struct kv_race *race, enum ub_kv_verb verb, const char *key,
                                 int64_t number, int64_t expected)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld", (long long)number);
    const struct ub_kv_write write = kv_write_of(race->bucket, verb, key, text, expected);
    return race->t->store.ops->write(race->bucket, &write, NULL, NULL);
}

static void add_ones(void *arg, size_t number)
{
    struct kv_race *race = arg;
    (void)number;
    for (int done = 0; done < RACE_ROUNDS;) {
        int64_t revision;
        int64_t count = read_number(race, race->bucket, "count", &revision);
        enum ub_status status = race_write(race, UB_KV_UPDATE, "count", count + 1, revision);
        race_count(race, status, UB_ECONFLICT);
        if (status != UB_OK && status != UB_ECONFLICT) {
            return;
        }
        done += status == UB_OK;
    }
}

static void cas_race_of_16_threads(struct kv_test *t)
{
    int64_t revision;
    struct kv_race race = {.t = t, .bucket = t->bucket, .lock = PTHREAD_MUTEX_INITIALIZER};
    case_threads(RACE_THREADS, add_ones, &race);
    expect_int(race.failed, 0);
    expect_int(race.ok, RACE_THREADS * RACE_ROUNDS);
    expect_int(read_number(&race, t->bucket, "count", &revision), race.ok);
}

static void create_each(void *arg, size_t number)
{
    struct kv_race *race = arg;
    for (int i = 0; i < RACE_ROUNDS; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        race_count(race, race_write(race, UB_KV_CREATE, key, (int64_t)number, 0), UB_EEXISTS);
    }
}

static void create_race_of_16_threads(struct kv_test *t)
{
    struct kv_race race = {.t = t, .bucket = t->bucket, .lock = PTHREAD_MUTEX_INITIALIZER};
    case_threads(RACE_THREADS, create_each, &race);
    expect_int(race.failed, 0);
    expect_int(race.ok, RACE_ROUNDS);
    expect_int(race.refused, (RACE_THREADS - 1) * RACE_ROUNDS);
}

/* Moves one from a to b, which lie in two buckets, when both are as they were read. */
static void move_ones(void *arg, size_t number)
{
    struct kv_race *race = arg;
    (void)number;
    for (int i = 0; i < RACE_ROUNDS; i++) {
        int64_t revisions[2];
        char texts[2][32];
        int64_t a = read_number(race, race->bucket, "a", &revisions[0]);
        int64_t b = read_number(race, race->other, "b", &revisions[1]);
        snprintf(texts[0], sizeof(texts[0]), "%lld", (long long)a - 1);
        snprintf(texts[1], sizeof(texts[1]), "%lld", (long long)b + 1);
        const struct ub_kv_write writes[] = {
            kv_write_of(race->bucket, UB_KV_UPDATE, "a", texts[0], revisions[0]),
            kv_write_of(race->other, UB_KV_UPDATE, "b", texts[1], revisions[1]),
        };
        race_count(race,
                   race->t->store.ops->batch(race->t->store.self, writes, 2, NULL, NULL, NULL),
                   UB_ECONFLICT);
    }
}

static void batch_race_keeps_the_sum(struct kv_test *t)
{
    int64_t revision;
    struct kv_race race = {.t = t, .bucket = t->bucket, .lock = PTHREAD_MUTEX_INITIALIZER};
    race.other = kv_can_cross(t) ? kv_bucket(t, "other", 0) : t->bucket;
    kv_put(t, race.bucket, "a", "1000");
    kv_put(t, race.other, "b", "0");
    case_threads(8, move_ones, &race);
    expect_int(race.failed, 0);
    expect(race.ok > 0);
    int64_t a = read_number(&race, race.bucket, "a", &revision);
    int64_t b = read_number(&race, race.other, "b", &revision);
    expect_int(a + b, 1000);
    expect_int(b, race.ok);
}

/* Values say which key they belong to; readers look while writers write. */
static void read_or_write(void *arg, size_t number)
{
    struct kv_race *race = arg;
    for (int i = 0; i < RACE_ROUNDS; i++) {
        char key[16];
        int64_t revision, own = i % 5;
        snprintf(key, sizeof(key), "k%lld", (long long)own);
        if (number % 2 == 0) {
            race_count(race, race_write(race, UB_KV_PUT, key, own + 10 * i, 0), UB_OK);
        } else {
            int64_t seen = read_number(race, race->bucket, key, &revision);
            race_count(race, seen % 5 == own || revision == 0 ? UB_OK : UB_EINTERNAL, UB_OK);
        }
    }
}

static void readers_beside_writers(struct kv_test *t)
{
    struct kv_race race = {.t = t, .bucket = t->bucket, .lock = PTHREAD_MUTEX_INITIALIZER};
    case_threads(RACE_THREADS, read_or_write, &race);
    expect_int(race.failed, 0);
    for (int64_t own = 0; own < 5; own++) {
        char key[16];
        int64_t revision = 0;
        snprintf(key, sizeof(key), "k%lld", (long long)own);
        expect_int(read_number(&race, race.bucket, key, &revision) % 5, own);
        expect(revision > 0);
    }
}

/* ---- one winner -------------------------------------------------------------------------------
 */

struct deleting {
    struct kv_race race;
    int64_t revisions[RACE_ROUNDS];
};

static void delete_each(void *arg, size_t number)
{
    struct deleting *d = arg;
    (void)number;
    for (int i = 0; i < RACE_ROUNDS; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        race_count(&d->race, race_write(&d->race, UB_KV_DELETE, key, 0, d->revisions[i]),
                   UB_ECONFLICT);
    }
}

static void delete_race_has_one_winner(struct kv_test *t)
{
    struct deleting d = {.race = {.t = t, .bucket = t->bucket, .lock = PTHREAD_MUTEX_INITIALIZER}};
    for (int i = 0; i < RACE_ROUNDS; i++) {
        char key[16];
        snprintf(key, sizeof(key), "k%d", i);
        d.revisions[i] = kv_put(t, t->bucket, key, "v");
    }
    case_threads(RACE_THREADS, delete_each, &d);
    expect_int(d.race.failed, 0);
    expect_int(d.race.ok, RACE_ROUNDS);
    kv_expect_list(t, t->bucket, "", "", 0, "");
}

#define MANY_THREADS 64
#define MANY_ROUNDS  8

struct many {
    struct kv_test *t;
    int64_t revisions[MANY_THREADS][MANY_ROUNDS];
    _Atomic int failed;
};

static void put_own(void *arg, size_t number)
{
    struct many *many = arg;
    for (int i = 0; i < MANY_ROUNDS; i++) {
        char key[32];
        snprintf(key, sizeof(key), "t%zu/%d", number, i);
        const struct ub_kv_write write = kv_write_of(many->t->bucket, UB_KV_CREATE, key, key, 0);
        enum ub_status status =
            many->t->store.ops->write(many->t->bucket, &write, &many->revisions[number][i], NULL);
        many->failed += status != UB_OK;
    }
}

static int compare_revisions(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void writers_64_at_once(struct kv_test *t)
{
    static struct many many;
    many.t = t;
    case_threads(MANY_THREADS, put_own, &many);
    expect_int(many.failed, 0);
    for (size_t i = 0; i < MANY_THREADS; i++) {
        for (int j = 0; j < MANY_ROUNDS; j++) {
            char key[32];
            snprintf(key, sizeof(key), "t%zu/%d", i, j);
            expect_int(kv_expect(t, t->bucket, key, key), many.revisions[i][j]);
            expect(j == 0 || many.revisions[i][j] > many.revisions[i][j - 1]);
        }
    }
    int64_t *all = &many.revisions[0][0];
    qsort(all, MANY_THREADS * MANY_ROUNDS, sizeof(*all), compare_revisions);
    for (size_t i = 1; i < MANY_THREADS * MANY_ROUNDS; i++) {
        expect(all[i] > all[i - 1]); /* none was given twice */
    }
}

static void create_one(void *arg, size_t number)
{
    struct kv_race *race = arg;
    race_count(race, race_write(race, UB_KV_CREATE, "the-one", (int64_t)number, 0), UB_EEXISTS);
}

static void one_of_64_creates(struct kv_test *t)
{
    struct kv_race race = {.t = t, .bucket = t->bucket, .lock = PTHREAD_MUTEX_INITIALIZER};
    case_threads(MANY_THREADS, create_one, &race);
    expect_int(race.ok, 1);
    expect_int(race.refused, MANY_THREADS - 1);
    expect_int(race.failed, 0);
}

struct same {
    struct kv_race race;
    int64_t revision;
};

static void update_same(void *arg, size_t number)
{
    struct same *same = arg;
    race_count(&same->race,
               race_write(&same->race, UB_KV_UPDATE, "k", (int64_t)number, same->revision),
               UB_ECONFLICT);
}

static void one_of_32_updates(struct kv_test *t)
{
    for (int round = 0; round < 10; round++) {
        struct same same = {{.t = t, .bucket = t->bucket, .lock = PTHREAD_MUTEX_INITIALIZER}, 0};
        same.revision = kv_put(t, t->bucket, "k", "0");
        case_threads(32, update_same, &same);
        expect_int(same.race.ok, 1);
        expect_int(same.race.refused, 31);
    }
}

struct looking {
    struct kv_race race;
    _Atomic bool is_over;
};

/* Until the writer has written everything, and once more: a fast writer is no excuse. */
static void look(struct looking *looking, enum ub_kv_read read)
{
    const struct kv_race *race = &looking->race;
    struct ub_kv_key key = kv_key("k");
    int64_t last = 0;
    bool is_last;
    do {
        is_last = looking->is_over;
        struct ub_kv_value value = {.size = sizeof(value)};
        if (race->t->store.ops->get(race->bucket, &key, read, &value, NULL) == UB_OK) {
            if (value.revision < last) {
                fail("a read went back from revision %" PRId64 " to %" PRId64, last,
                     value.revision);
            }
            last = value.revision;
            race->t->store.ops->value_free(race->t->store.self, &value);
        }
    } while (!is_last);
    expect(last > 0);
}

static void write_or_look(void *arg, size_t number)
{
    struct looking *looking = arg;
    if (number > 0) {
        look(looking, number % 2 ? UB_KV_LOCAL : UB_KV_NEWEST);
        return;
    }
    for (int i = 0; i < 60; i++) {
        race_count(&looking->race, race_write(&looking->race, UB_KV_PUT, "k", i, 0), UB_OK);
    }
    looking->is_over = true;
}

static void reads_never_go_back(struct kv_test *t)
{
    struct looking looking = {
        .race = {.t = t, .bucket = t->bucket, .lock = PTHREAD_MUTEX_INITIALIZER}};
    case_threads(5, write_or_look, &looking);
    expect_int(looking.race.failed, 0);
}

/* Two keys always change together; who lists sees them alike. */
struct pair {
    char values[2][8];
    size_t count;
};

static bool take_pair(void *arg, const struct ub_kv_entry *entry)
{
    struct pair *pair = arg;
    if (pair->count < 2) {
        snprintf(pair->values[pair->count], sizeof(pair->values[0]), "%.*s", (int)entry->value.len,
                 (const char *)entry->value.ptr);
    }
    pair->count++;
    return true;
}

/* Likewise. */
static void list_pairs(const struct looking *looking)
{
    const struct kv_race *race = &looking->race;
    struct ub_kv_key prefix = kv_key("pair"), start = {0};
    bool is_last;
    do {
        is_last = looking->is_over;
        struct pair pair = {.count = 0};
        enum ub_status status =
            race->t->store.ops->list(race->bucket, &prefix, &start, 0, take_pair, &pair, NULL);
        expect_status(status, UB_OK);
        expect_int(pair.count, 2);
        expect_text(pair.values[0], pair.values[1]);
    } while (!is_last);
}

static void write_or_list_pairs(void *arg, size_t number)
{
    struct looking *looking = arg;
    struct kv_race *race = &looking->race;
    if (number > 0) {
        list_pairs(looking);
        return;
    }
    for (int i = 0; i < 60; i++) {
        char value[8];
        snprintf(value, sizeof(value), "%d", i);
        const struct ub_kv_write writes[] = {
            kv_write_of(race->bucket, UB_KV_PUT, "pair/a", value, 0),
            kv_write_of(race->bucket, UB_KV_PUT, "pair/b", value, 0),
        };
        race_count(race,
                   race->t->store.ops->batch(race->t->store.self, writes, 2, NULL, NULL, NULL),
                   UB_OK);
    }
    looking->is_over = true;
}

static void readers_see_whole_batches(struct kv_test *t)
{
    struct looking looking = {
        .race = {.t = t, .bucket = t->bucket, .lock = PTHREAD_MUTEX_INITIALIZER}};
    kv_put(t, t->bucket, "pair/a", "x");
    kv_put(t, t->bucket, "pair/b", "x");
    case_threads(4, write_or_list_pairs, &looking);
    expect_int(looking.race.failed, 0);
}

const struct check_case kv_race_cases[] = {
    KV_CASE(cas_race_of_16_threads, "400 increments by compare-and-set make 400"),
    KV_CASE(create_race_of_16_threads, "each of 25 keys is created once"),
    KV_CASE(one_of_64_creates, "64 threads create one key: one winner"),
    KV_CASE(one_of_32_updates, "32 threads update one revision: one winner, ten times"),
    KV_CASE(delete_race_has_one_winner, "16 threads delete one revision: one winner"),
    KV_CASE(writers_64_at_once, "64 threads: every write is there, no revision given twice"),
    KV_CASE(batch_race_keeps_the_sum, "moves between two counters lose nothing"),
    KV_CASE(readers_beside_writers, "a reader sees values of the key that it asked for"),
    KV_CASE(reads_never_go_back, "local and newest reads of one thread never get older"),
    KV_CASE(readers_see_whole_batches, "a listing never sees half of a batch"),
    {.name = NULL},
};
