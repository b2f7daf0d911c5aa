/* SPDX-License-Identifier: Apache-2.0
 *
 * Subjects of permissions as an operator writes them. Pure functions. */
#ifndef USERS_SUBJECT_H
#define USERS_SUBJECT_H

#include <unibus/abi.h>

#define USERS_SUBJECT_MAX 1024
#define USERS_TOKENS_MAX  256

/* Splits "subject" or "subject queue" (blanks between, around it too). queue_out "" = none. NULL,
 * or what is wrong: for people, without the text itself. */
const char *users_subject_parse(const char *text, bool may_have_queue,
                                char subject_out[USERS_SUBJECT_MAX],
                                char queue_out[USERS_SUBJECT_MAX]);

/* Does a valid pattern name what belongs to rooms: `ub.r.…` by its first two tokens, or a token
 * that begins with UB_R_, KV_UB_R_ or OBJ_UB_R_? Wildcards that happen to reach there do not. */
bool users_subject_names_room(const char *pattern);
/* Does it begin with this literal token and go on behind it ("$SYS")? */
bool users_subject_begins(const char *pattern, const char *token);
/* Is there a subject below this literal token that the pattern matches? */
bool users_subject_reaches(const char *pattern, const char *token);

#endif
