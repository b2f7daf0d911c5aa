/* SPDX-License-Identifier: Apache-2.0
 *
 * A question to the script that outlives the one who asked: the thread that answers may be
 * abandoned, and then nothing of the asker's stack may be in its hands. */
#ifndef PLCY_QUESTION_H
#define PLCY_QUESTION_H

#include <stdatomic.h>

#include <jansson.h>

#include <ubp/ask.h>
#include <unibus/authz.h>

#define PLCY_FIELDS_MAX 16

struct plcy_question {
    atomic_uint refs;
    bool is_action; /* else on_connect */
    struct ubp_who who;
    struct ubp_conn conn;
    struct ubp_action action;
    struct ubp_field fields[PLCY_FIELDS_MAX];
    size_t used;
    char text[8192]; /* the texts of all of them */
};

/* Each gives a question with one reference, or NULL when something does not fit or there is no
 * memory: then nothing can be asked, and the verdict is deny. */
struct plcy_question *plcy_question_connect(const struct ub_principal *principal,
                                            const struct ubp_conn *conn);
struct plcy_question *plcy_question_action(const struct ub_principal *principal,
                                           const struct ub_action *action);
/* From the body of POST /v1/policy:explain; detail_out gets what is wrong with it. */
struct plcy_question *plcy_question_json(const json_t *body, char *detail_out, size_t detail_size);

void plcy_question_unref(struct plcy_question **question);

/* The question as an object, for the decision log: nothing in it is a secret. NULL = no memory. */
json_t *plcy_question_to_json(const struct plcy_question *question);

#endif
