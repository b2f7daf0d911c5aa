/* SPDX-License-Identifier: Apache-2.0 */
#ifndef UNIBUS_CLI_POLICY_QUESTION_H
#define UNIBUS_CLI_POLICY_QUESTION_H

#include <jansson.h>

#include <ubp/ask.h>

/* A question to a policy script, in the form of POST /v1/policy:explain and of the `input` of a
 * decision: {"action", "principal", "resource", "context", "conn"}. */

#define POLICY_FIELDS_MAX 16

struct policy_question {
    bool is_connect;
    struct ubp_who who;
    struct ubp_conn conn;
    struct ubp_action action;
    struct ubp_field fields[POLICY_FIELDS_MAX];
};

/* The texts are borrowed from json. NULL, or a constant that says why it cannot be asked. */
const char *policy_question_read(const json_t *json, struct policy_question *question_out);

/* As ubp_on_connect and ubp_on_action. */
void policy_question_ask(struct ubp_script *script, const struct policy_question *question,
                         struct ubp_trace *trace, struct ubp_decision *decision_out);

#endif
