/* SPDX-License-Identifier: Apache-2.0
 *
 * What operators write about users: nkeys, subjects with queue groups, bcrypt hashes. What passes
 * here must pass in module nats, which disconnects users whose deny rules it cannot read. */
#include <stdlib.h>
#include <string.h>

#include "../modules/nats/subject.h"
#include "../modules/users/bcrypt.h"
#include "../modules/users/nkey.h"
#include "../modules/users/subject.h"
#include "must.h"

static void try_subject(const char *text, bool may_have_queue)
{
    char subject[USERS_SUBJECT_MAX], queue[USERS_SUBJECT_MAX];
    if (users_subject_parse(text, may_have_queue, subject, queue) != NULL) {
        return;
    }
    struct ub_bytes pattern = nats_text(subject);
    MUST(nats_subject_is_pattern(pattern));
    MUST(queue[0] == '\0' || may_have_queue);
    /* Whoever reaches a space overlaps it, and nobody else does. */
    MUST(users_subject_reaches(subject, "_INBOX") ==
         nats_subjects_overlap(pattern, 0, nats_text("_INBOX.>")));
    if (users_subject_names_room(subject) && strstr(subject, "UB_R_") == NULL) {
        MUST(nats_subjects_overlap(pattern, 0, nats_text("ub.r.>")));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t key[32];
    char *text = malloc(size + 1);
    MUST(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    users_nkey_decode(text, key);
    users_bcrypt_cost(text);
    try_subject(text, true);
    try_subject(text, false);
    free(text);
    return 0;
}
