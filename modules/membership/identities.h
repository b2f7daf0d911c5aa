/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MEMB_IDENTITIES_H
#define MEMB_IDENTITIES_H

#include <unibus/problem.h>

#include "model.h"
#include "record.h"

/* The allowlist as steps: each is judged against the steps before it, written to the store, then
 * published. Loading judges and publishes the same steps again. */

/* Why a step is refused; problem UB_P_NONE = it is not. */
struct memb_refusal {
    enum ub_problem problem;
    enum ubr_error rule; /* with UB_P_RECORD_INVALID */
    const char *detail;  /* static */
};

/* A judged step, ready to be published: memb_step_fini unless it was. */
struct memb_step {
    struct memb_identity *identity; /* the one concerned; new for a create */
    bool is_new;
    bool has_chain;
    struct ubr_chain chain;     /* after the step */
    struct memb_device *device; /* the record that it adds, or NULL */
};

/* The caller holds memb_model.allowing (or loads), not the lock. */
struct memb_refusal memb_step_judge(struct memb_model *model, const struct memb_allow *allow,
                                    struct memb_step *step_out);
/* Takes the step into the model and empties it; false = no memory: the model must not be used
 * on. */
bool memb_step_publish(struct memb_model *model, const struct memb_allow *allow,
                       struct memb_step *step);
void memb_step_fini(struct memb_step *step);

void memb_identity_free(struct memb_identity **identity);

/* The record as the protocol library takes it, borrowed. */
struct ubr_device_record memb_device_record(const struct memb_device *device);

#endif
